//! What is written comes back: canonical ABC reads as the same tune, and a `.mid` file holds the notes of the score.

use ceilid::abc;
use ceilid::output::smf;
use ceilid::{performance, score};

/// Tunes that hold every sign of the notation between them.
const TUNES: &[&str] = &[
    "X:1\nT:Signs\nM:6/8\nL:1/8\nQ:\"Fast\" 3/8=120\nK:Dmix ^f\n\"Am7/G\"{/ga}!f!^c3/2d/ (3e/f/g/ a2-|a4.-a2 :|\n",
    "X:2\nT:Voices\nM:C|\nL:1/4\nV:1 clef=treble-8\nV:2 name=\"Low\"\nK:G\n[V:1] GABc|[V:2] [G,D]4|\nw:one two-three *\n",
    "X:3\nT:Parts\nP:(AB)2\nM:3/4\nL:1/4\nK:Am\nP:A\n|: ABc |1 d3 :|2 e3 ||\nP:B\nZ2 | x3 | y z3 |]\n",
    "X:4\nT:Macros\nm:~n2 = (3o/n/m/ n\nU:k=!trill!\nM:4/4\nL:1/8\nK:C\n~G2 kA2 B>c d<<e & C8 |] % the end\n",
    "X:5\nT:Quotes\nM:2/4\nL:1/4\nK:C\n[\"\\\"Am\"~GB]C|[\"A]m\"CE] D:|[\"1st time\"C2:|[\"2.\"D2|]\n",
    "X:6\nT:Braces\nM:2/4\nL:1/4\nK:C\n|::[#\"1st\")!{g}!CE]D|[`\"1st\"C!trill!E]D:|\n",
];

#[test]
fn canonical_text_reads_as_the_same_tune_and_is_its_own_canonical_text() {
    for text in TUNES {
        let tune = abc::parse(text).tune;
        let printed = abc::print(&tune);
        assert_eq!(abc::parse(&printed).tune, tune, "{printed}");
        assert_eq!(abc::print(&abc::parse(&printed).tune), printed);
    }
}

#[test]
fn a_midi_file_holds_the_notes_of_the_score() {
    for text in TUNES {
        let score = score::read(&abc::parse(text).tune).score;
        let bytes = smf::to_bytes(&performance::plain(&score));
        let file = midly::Smf::parse(&bytes).expect("the file is well-formed");
        let mut sounded = Vec::new();
        for track in &file.tracks {
            let (mut at, mut open) = (0u64, Vec::new());
            for event in track {
                at += u64::from(event.delta.as_int());
                if let midly::TrackEventKind::Midi { message, .. } = event.kind {
                    match message {
                        midly::MidiMessage::NoteOn { key, .. } => open.push((key.as_int(), at)),
                        midly::MidiMessage::NoteOff { key, .. } => {
                            let place = open.iter().position(|&(open, _)| open == key.as_int());
                            let (key, onset) = open.remove(place.expect("a note ends that began"));
                            sounded.push((onset, at - onset, key));
                        }
                        _ => {}
                    }
                }
            }
            assert!(open.is_empty(), "no note hangs");
        }
        let notes = score.voices.iter().flat_map(|voice| &voice.notes);
        let mut written: Vec<_> = notes
            .map(|note| (note.onset.get(), note.duration.get(), note.pitch.number()))
            .collect();
        written.sort_unstable();
        sounded.sort_unstable();
        assert_eq!(sounded, written, "{text}");
    }
}
