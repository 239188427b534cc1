//! Changes ABC as its grammar goes, so that what comes of it is mostly read as music: long notes, parts that repeat parts, chords,
//! voices, and all of them together, where work grows by multiplication.
//!
//! In: a text and a seed. Out: the text with one more piece, one piece twice, or one piece less.

pub mod band;

/// What a mutation puts in: notes, signs, lines. Each was once too much for some program.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "A", "c'''", "C,,,", "^^a", "_3/2d", "z", "Z999", "x65535", "C65535", "C1000000000", "C/65536", "/////", "\"C\"C65535|", "\"Am7b5/G\"A",
    "[CEGBdf]64", "(9:2:9", "(3", "{gabcdefg}", "!trill!", "!D.C.!", "!D.S.!", "!segno!", "!fine!", "~", "-", "(", ")", ">>>", "&", "(&", "&)",
    "|", "|:", ":|", "::", ":||:", "|1", ":|2", "[1-9", "[1,3,5", "|]", "[|", "y99", "$", "\n", "\n\n", "\\\n",
    "\nP:A\n", "\nP:B\n", "\nP:((((((A9)9)9)9)9)9)9\n", "\nP:A99999\n", "\nV:1\n", "\nV:2 clef=bass\n", "\nV:99\n", "\n%%score (1 2) {3 | 4}\n",
    "\nM:999/1\n", "\nM:none\n", "\nM:(2+3+2)/8\n", "\nL:1/1\n", "\nL:1/512\n", "\nQ:1/1=1\n", "\nQ:1/4=9999\n", "\nK:Ebmix ^c\n", "\nK:HP\n",
    "\nK:none transpose=99\n", "\nX:2\nK:C\n", "\nw:a-b_*~|\n", "\ns:!f!\"G\"\n", "\nU:k=!trill!\n", "\nm:~n2=(3o/n/m/ n\n", "\nI:linebreak !\n",
    "\n%%MIDI drum dzd2 35 38 42 110 1 127\n", "\n%%MIDI drumon\n", "\n%%MIDI drumbars 9\n", "\n%%MIDI gchord fzczfzcz\n", "\n%%MIDI droneon\n",
    "\n%%MIDI beatstring fmp\n", "\n%%MIDI transpose -120\n", "\n%%MIDI program 127\n", "\n%%MIDI grace 1/9999\n", "\n%%begintext\n", "\n%%endtext\n",
];

/// Changes `data[..size]` within `size_max` bytes; returns how many there are then.
pub fn mutate_abc(data: &mut [u8], size: usize, size_max: usize, seed: u32) -> usize {
    let mut text = data[..size].to_vec();
    let mut numbers = Numbers(u64::from(seed) | 1);
    match numbers.below(8) {
        0 => {
            // A line, or a run of bytes, many times: parts of parts, notes of notes.
            let at = numbers.below(text.len());
            let length = (1 + numbers.below(40)).min(text.len() - at);
            let again = text[at..at + length].repeat(1 + numbers.below(30));
            text.splice(at..at, again);
        }
        1 if !text.is_empty() => {
            let at = numbers.below(text.len());
            let end = (at + 1 + numbers.below(20)).min(text.len());
            text.drain(at..end);
        }
        2 => {
            // A number becomes another one.
            if let Some(at) = text.iter().position(u8::is_ascii_digit) {
                let figures = [
                    "0",
                    "9",
                    "16",
                    "65535",
                    "4294967295",
                    "18446744073709551616",
                ];
                text.splice(at..=at, figures[numbers.below(figures.len())].bytes());
            }
        }
        _ => {
            let piece = PIECES[numbers.below(PIECES.len())];
            let at = numbers.below(text.len() + 1);
            text.splice(at..at, piece.bytes());
        }
    }
    text.truncate(size_max.min(data.len()));
    data[..text.len()].copy_from_slice(&text);
    text.len()
}

/// A small reproducible source of numbers (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

/// Half of the changes are grammatical, the others libFuzzer's own.
#[macro_export]
macro_rules! mutates_as_abc {
    () => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            match seed % 2 {
                0 => $crate::mutate_abc(data, size, max_size, seed / 2),
                _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
            }
        });
    };
}
