//! For showing what a finding means: a piece of ABC where it is found, and one where it is not.
//!
//! A table and no more; that each example shows its finding, and the better one does not, is tested.

use super::diagnostic::Code;

/// A piece of a tune where this is found, and one where it is not; whole tunes begin with `X:`. `None` where nothing short
/// shows it.
pub fn example(code: Code) -> Option<(&'static str, &'static str)> {
    let found = EXAMPLES.iter().find(|(known, _, _)| *known == code);
    found.map(|(_, wrong, right)| (*wrong, *right))
}

/// The code, where it is found, and how it is better.
#[rustfmt::skip]
const EXAMPLES: &[(Code, &str, &str)] = &[
    (Code::MissingReference, "T:A tune\nK:C\nCDEF|", "X:1\nT:A tune\nK:C\nCDEF|"),
    (Code::BadReference, "X:first\nT:A tune\nK:C\nCDEF|", "X:1\nT:A tune\nK:C\nCDEF|"),
    (Code::MissingKey, "X:1\nT:A tune\nCDEF|", "X:1\nT:A tune\nK:C\nCDEF|"),
    (Code::MissingTitle, "X:1\nK:C\nCDEF|", "X:1\nT:A tune\nK:C\nCDEF|"),
    (Code::NoMusic, "X:1\nT:A tune\nK:C", "X:1\nT:A tune\nK:C\nCDEF|"),
    (Code::BlankAfterKey, "X:1\nT:A tune\nK:C\n\nCDEF|", "X:1\nT:A tune\nK:C\nCDEF|"),
    (Code::TextInHeader, "X:1\nT:A tune\na word about it\nK:C\nCDEF|", "X:1\nT:A tune\nN:a word about it\nK:C\nCDEF|"),
    (Code::UnknownField, "X:1\nT:A tune\nE:x\nK:C\nCDEF|", "X:1\nT:A tune\nN:x\nK:C\nCDEF|"),
    (Code::MisplacedField, "CDEF|\nC:A composer\nGABc|", "CDEF|\nN:A composer\nGABc|"),
    (Code::BadKey, "X:1\nT:A tune\nK:H&\nCDEF|", "X:1\nT:A tune\nK:Bb\nCDEF|"),
    (Code::OddKey, "X:1\nT:A tune\nK:g\nCDEF|", "X:1\nT:A tune\nK:G\nCDEF|"),
    (Code::BadMeter, "X:1\nT:A tune\nM:waltz\nK:C\nCDE|", "X:1\nT:A tune\nM:3/4\nK:C\nC2D2E2|"),
    (Code::BadUnitLength, "X:1\nT:A tune\nL:eighth\nK:C\nCDEF|", "X:1\nT:A tune\nL:1/8\nK:C\nCDEF|"),
    (Code::OddUnitLength, "X:1\nT:A tune\nL:8\nK:C\nCDEF|", "X:1\nT:A tune\nL:1/8\nK:C\nCDEF|"),
    (Code::BadTempo, "X:1\nT:A tune\nQ:1/4:120\nK:C\nCDEF|", "X:1\nT:A tune\nQ:1/4=120\nK:C\nCDEF|"),
    (Code::OutdatedTempo, "X:1\nT:A tune\nQ:120\nK:C\nCDEF|", "X:1\nT:A tune\nQ:1/4=120\nK:C\nCDEF|"),
    (Code::BadPartOrder, "X:1\nT:A tune\nP:(AB\nK:C\nP:A\nCDEF|\nP:B\nGABc|", "X:1\nT:A tune\nP:(AB)2\nK:C\nP:A\nCDEF|\nP:B\nGABc|"),
    (Code::MissingPart, "X:1\nT:A tune\nP:AB\nK:C\nP:A\nCDEF|", "X:1\nT:A tune\nP:AB\nK:C\nP:A\nCDEF|\nP:B\nGABc|"),
    (Code::BadUserSymbol, "X:1\nT:A tune\nU:C = !trill!\nK:C\nCDEF|", "X:1\nT:A tune\nU:T = !trill!\nK:C\nTCDEF|"),
    (Code::BadMacro, "X:1\nT:A tune\nm:~G3\nK:C\n~G3 A|", "X:1\nT:A tune\nm:~G3 = G{A}G{F}G\nK:C\n~G3 A|"),
    (Code::BadVoice, "V:\nCDEF|", "V:1\nCDEF|"),
    (Code::IncludeIgnored, "X:1\nT:A tune\nI:abc-include ../mine.txt\nK:C\nCDEF|", "X:1\nT:A tune\nL:1/8\nK:C\nCDEF|"),
    (Code::UnknownMidi, "%%MIDI loudly\nCDEF|", "%%MIDI program 73\nCDEF|"),
    (Code::StrayCharacter, "C D @ E F|", "C D E F|"),
    (Code::StrayNumber, "C 3 D|", "C3 D|"),
    (Code::StrayAccidental, "C ^|D", "C ^D|"),
    (Code::AccidentalBehind, "C# D|", "^C D|"),
    (Code::TypographicSign, "“Am”C D–|D", "\"Am\"C D-|D"),
    (Code::HtmlSign, "A&gt;B|", "A>B|"),
    (Code::UnknownSymbol, "C kD|", "C !trill!D|"),
    (Code::UnknownDecoration, "!wobble!C|", "!trill!C|"),
    (Code::OutdatedDecoration, "+trill+C|", "!trill!C|"),
    (Code::OutdatedChord, "+CEG+|", "[CEG]|"),
    (Code::OpenQuote, "\"Am C D|", "\"Am\"C D|"),
    (Code::OpenChord, "[CEG|", "[CEG]|"),
    (Code::EmptyChord, "C [ ] D|", "C [EG] D|"),
    (Code::OpenGrace, "{ga|b", "{ga}b|"),
    (Code::OpenField, "C [K:G D|", "C [K:G]D|"),
    (Code::MisplacedSymbol, "[C>E]|", "[CE]>[DF]|"),
    (Code::UnbalancedSlur, "C D)|", "(C D)|"),
    (Code::LongOverlay, "(&C4|D4&E4|F4&)|", "C4|D4|&&E4|F4|"),
    (Code::TieApart, "C -C|", "C- C|"),
    (Code::StrayTie, "-C D|", "C-C D|"),
    (Code::TieToOtherPitch, "C-D|", "(CD)|"),
    (Code::OpenTie, "C-z C|", "C z C|"),
    (Code::StrayBrokenRhythm, ">C D|", "C>D|"),
    (Code::TooManyAccidentals, "^^^C|", "^^C|"),
    (Code::PitchOutOfRange, "C,,,,,,,|", "C,|"),
    (Code::BadLength, "C0|", "C2|"),
    (Code::BadTuplet, "(0CDE|", "(3CDE|"),
    (Code::ShortTuplet, "(3CD (3EFG|", "(3CDE (3EFG|"),
    (Code::LongRest, "Z5000|", "Z4|"),
    (Code::RepeatNotStarted, "C|D|]E|F:|", "C|D|]|:E|F:|"),
    (Code::BarLineUnclear, "C|:|D|", "C:|:D|"),
    (Code::RepeatNotEnded, "|:C D|", "|:C D:|"),
    (Code::RepeatMismatch, "|:C D::|", "|::C D::|"),
    (Code::TooManyRepeats, "|:C ::::::::::::::::::::::::::::::::::|", "|:C :|"),
    (Code::BadEnding, "|:C |0 D:|", "|:C |1 D:|2 E|]"),
    (Code::OtherEnding, "|:C|[\"1st time\"D:|[2 E|]", "|:C|[1 D:|[2 E|]"),
    (Code::EndingNotRepeated, "|:C |1 D||2 E|]", "|:C |1 D:|2 E|]"),
    (Code::JumpWithoutSign, "C D !D.S.!E|", "!segno!C D !D.S.!E|"),
    (Code::BarShort, "X:1\nT:A tune\nM:4/4\nL:1/4\nK:C\nCDEF|GA|CDEF|", "X:1\nT:A tune\nM:4/4\nL:1/4\nK:C\nCDEF|GAz2|CDEF|"),
    (Code::BarLong, "X:1\nT:A tune\nM:4/4\nL:1/4\nK:C\nCDEFG|", "X:1\nT:A tune\nM:4/4\nL:1/4\nK:C\nCDEF|"),
    (Code::VoicesUnequal, "V:1\nC|D|\nV:2\nC|", "V:1\nC|D|\nV:2\nC|z|"),
    (Code::LyricsTooLong, "C D|\nw:la la la", "C D E|\nw:la la la"),
    (Code::LyricsWithoutNotes, "w:la la\nC D|", "C D|\nw:la la"),
];

/// The header of examples that are no whole tunes.
#[cfg(test)]
const HEADER: &str = "X:1\nT:A tune\nM:none\nL:1/4\nK:C\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn codes(example: &str) -> Vec<Code> {
        let is_whole = example.starts_with("X:") || example.starts_with("T:");
        let text = format!("{}{example}\n", if is_whole { "" } else { HEADER });
        let parsed = abc::parse(&text);
        let of_score = score::read(&parsed.tune).diagnostics;
        let all = parsed.diagnostics.iter().chain(&of_score);
        all.map(|finding| finding.code).collect()
    }

    #[test]
    fn each_example_shows_its_finding_and_the_better_one_does_not() {
        for (code, wrong, right) in EXAMPLES {
            assert!(
                codes(wrong).contains(code),
                "{} is not found in\n{wrong}",
                code.as_str()
            );
            assert!(
                !codes(right).contains(code),
                "{} is found in\n{right}",
                code.as_str()
            );
        }
    }

    #[test]
    fn what_has_no_example_is_about_files_or_sizes() {
        let without: Vec<&str> = Code::ALL
            .iter()
            .filter(|code| example(**code).is_none())
            .map(|code| code.as_str())
            .collect();
        let expected = [
            "no-tune",
            "lost-music",
            "repeated-x",
            "not-utf8",
            "tune-too-long",
            "parts-too-long",
            "macros-too-long",
            "too-many-voices",
            "nested-slurs",
            "many-overlays",
            "unfolded-too-long",
        ];
        assert_eq!(without, expected);
    }
}
