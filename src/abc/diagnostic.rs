//! What is odd in a piece of ABC: where, how bad, which rule, and what to do about it.
//!
//! Comes in: a place in the text and a finding. Goes out: values a person or a program can act on.
//! Does not do: printing (that is `cli`), or deciding whether the tune may be played (that is the critic).

use std::borrow::Cow;
use std::fmt;

/// The most diagnostics kept for one tune; later ones are counted, not kept.
pub const DIAGNOSTICS_A_TUNE_MAX: usize = 200;

/// A stretch of a tune's text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From `start` up to, not including, `end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Harmless, but a fussy program may stumble over it.
    Note,
    /// Something was guessed or left out; what sounds is probably right.
    Warning,
    /// What sounds may well not be what was meant.
    Error,
}

impl Code {
    /// Whether it says that the text is in another program's or an older dialect, which is read as its users mean it: such a
    /// finding is said once a file.
    pub const fn is_dialect(self) -> bool {
        matches!(
            self,
            Self::BlankAfterKey
                | Self::TypographicSign
                | Self::HtmlSign
                | Self::LongOverlay
                | Self::OtherEnding
                | Self::OutdatedDecoration
                | Self::OutdatedChord
        )
    }

    /// The code of this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Declares the stable codes: variant, text, severity, hint.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident, $text:literal, $severity:ident, $hint:expr;)*) => {
        /// Which rule a finding is about. The texts are stable: scripts may rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Code {
            /// What it says, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_start(),)* }
            }

            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text, such as `bar-short`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What usually helps; empty where there is nothing to say.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

codes! {
    /// A file without any tune.
    NoTune, "no-tune", Error, "a tune begins with a line such as `X:1`";
    /// The tune has no `X:`.
    MissingReference, "missing-x", Warning, "begin each tune with `X:` and a number";
    /// `X:` is not a number.
    BadReference, "bad-x", Note, "give a whole number, such as `X:1`";
    /// The tune has no `K:`.
    MissingKey, "missing-k", Error, "end the header with a key, such as `K:G`, or `K:none`";
    /// The header has no `T:`.
    MissingTitle, "missing-t", Note, "name the tune with `T:` on the line after `X:`";
    /// The tune has no music.
    NoMusic, "no-music", Warning, "write music below the line with `K:`, with no empty line between";
    /// Music that stands behind an empty line, outside of any tune.
    LostMusic, "lost-music", Warning, "delete the empty line before it, or begin a tune of its own with `X:`";
    /// An empty line between header and music.
    BlankAfterKey, "blank-after-k", Warning, "delete the empty line: other programs end the tune there";
    /// `X:` has the number of another tune of the file.
    RepeatedReference, "repeated-x", Note, "give each tune of a file its own number";
    /// The text is neither UTF-8 nor marked otherwise.
    NotUtf8, "not-utf8", Note, "save the file as UTF-8";
    /// The tune is longer than is read.
    TuneTooLong, "tune-too-long", Error, "split the tune";
    /// A line of the header that is no field.
    TextInHeader, "text-in-header", Warning, "begin it with a field letter, `%` or `N:`";
    /// A field with a letter the standard does not name.
    UnknownField, "unknown-field", Note, "";
    /// A field that may not stand here.
    MisplacedField, "misplaced-field", Warning, "";
    /// `K:` that could not be read.
    BadKey, "bad-key", Error, "write a key such as `K:D`, `K:Am`, `K:E dor` or `K:none`";
    /// `M:` that could not be read.
    BadMeter, "bad-meter", Error, "write a metre such as `M:6/8`, `M:C|` or `M:none`";
    /// `K:` that is read, but hardly as it is written.
    OddKey, "odd-key", Warning, "write the tonic as a capital letter and one mode: `K:G`, `K:Ador`";
    /// `L:` that could not be read.
    BadUnitLength, "bad-unit-length", Error, "write a unit note length such as `L:1/8`";
    /// `L:` longer than a whole note.
    OddUnitLength, "odd-unit-length", Warning, "write a part of a whole note, such as `L:1/8`";
    /// `Q:` that could not be read.
    BadTempo, "bad-tempo", Warning, "write a tempo such as `Q:1/4=120`";
    /// `Q:120` or `Q:C=120`, from before ABC 2.0.
    OutdatedTempo, "outdated-tempo", Note, "say which beat: `Q:1/4=120`";
    /// `P:` order that could not be read.
    BadPartOrder, "bad-part-order", Warning, "write letters, numbers, dots and brackets: `P:(AB)2.C`";
    /// A part is called for and never written.
    MissingPart, "missing-part", Warning, "mark where it begins with `P:` and its letter";
    /// The part order unfolds to too many parts.
    PartsTooLong, "parts-too-long", Error, "";
    /// `U:` that could not be read.
    BadUserSymbol, "bad-user-symbol", Warning, "write `U: T = !trill!` with a letter of h-w, H-W or ~";
    /// `m:` that could not be read.
    BadMacro, "bad-macro", Warning, "write `m: ~G3 = G{A}G{F}G`, or with `n` for any note";
    /// Macros unfold to too much text.
    MacrosTooLong, "macros-too-long", Error, "";
    /// `V:` without a name.
    BadVoice, "bad-voice", Warning, "name the voice: `V:1`";
    /// More voices than are read.
    TooManyVoices, "too-many-voices", Error, "";
    /// `%%abc-include`.
    IncludeIgnored, "include-ignored", Warning, "put a file with the ending `.abh` beside the tunebook, or paste its text in";
    /// A `%%MIDI` directive that is not obeyed.
    UnknownMidi, "unknown-midi", Note, "";
    /// A character that means nothing here.
    StrayCharacter, "stray-character", Warning, "delete it";
    /// A number that belongs to nothing.
    StrayNumber, "stray-number", Warning, "an ending is written `[1` or `|1`, a note length directly after its note";
    /// An accidental without a note.
    StrayAccidental, "stray-accidental", Warning, "put it directly before its note";
    /// `C#`: an accidental behind its letter.
    AccidentalBehind, "accidental-behind", Warning, "write it before the note: `^` raises, `_` lowers, as in `^C`";
    /// Curly quotes, dashes for ties and the like, from a word processor.
    TypographicSign, "typographic-sign", Warning, "write the plain sign: `\"`, `-`, `'`, `|`";
    /// `&gt;`, from a web page.
    HtmlSign, "html", Warning, "write the sign itself";
    /// A letter without a meaning.
    UnknownSymbol, "unknown-symbol", Warning, "give it a meaning with `U:`";
    /// `!something!` that is not known.
    UnknownDecoration, "unknown-decoration", Note, "";
    /// `+trill+`.
    OutdatedDecoration, "outdated-decoration", Note, "write `!…!`";
    /// `+CEG+`.
    OutdatedChord, "outdated-chord", Note, "write `[CEG]`";
    /// A quote that is never closed.
    OpenQuote, "open-quote", Error, "close it with `\"` on the same line";
    /// A chord that is never closed.
    OpenChord, "open-chord", Error, "close it with `]`";
    /// A chord without notes.
    EmptyChord, "empty-chord", Warning, "delete it";
    /// Grace notes that are never closed.
    OpenGrace, "open-grace", Error, "close them with `}`";
    /// An inline field that is never closed.
    OpenField, "open-field", Error, "close it with `]`";
    /// Something that may not stand inside a chord or grace notes.
    MisplacedSymbol, "misplaced-symbol", Warning, "";
    /// A slur that is never closed, or never opened.
    UnbalancedSlur, "unbalanced-slur", Note, "";
    /// Slurs within slurs within slurs.
    NestedSlurs, "nested-slurs", Note, "close slurs before new ones begin";
    /// `(& … &)`: an overlay over several bars as abcm2ps writes it.
    LongOverlay, "long-overlay", Note, "in ABC 2.1 write `&&` for an overlay of two bars, or voices";
    /// More overlays of one bar than anyone can read.
    ManyOverlays, "many-overlays", Note, "write voices: `V:1`, `V:2`";
    /// A tie that does not touch its first note.
    TieApart, "tie-apart", Note, "write the tie directly after its first note";
    /// A tie without a note before it.
    StrayTie, "stray-tie", Warning, "write the tie directly after the note it begins with";
    /// A tie to another pitch.
    TieToOtherPitch, "tie-to-other-pitch", Warning, "a tie joins equal pitches; for a slur write `( )`";
    /// A tie to nothing.
    OpenTie, "open-tie", Warning, "delete it";
    /// Broken rhythm without a note on each side.
    StrayBrokenRhythm, "stray-broken-rhythm", Warning, "write `>` or `<` between two notes";
    /// More than double sharp or flat.
    TooManyAccidentals, "too-many-accidentals", Warning, "at most two: `^^` or `__`";
    /// A note off the keyboard.
    PitchOutOfRange, "pitch-out-of-range", Warning, "it sounds octaves nearer";
    /// A length of zero or beyond bounds.
    BadLength, "bad-length", Warning, "";
    /// A tuplet that makes no sense.
    BadTuplet, "bad-tuplet", Warning, "write `(3` or `(p:q:r`";
    /// A tuplet with too few notes.
    ShortTuplet, "short-tuplet", Warning, "";
    /// A multi-bar rest that is too long.
    LongRest, "long-rest", Warning, "";
    /// An end of repeat without a start.
    RepeatNotStarted, "repeat-not-started", Note, "write `|:` where the repeat begins";
    /// A bar line whose dots belong to neither side.
    BarLineUnclear, "bar-line-unclear", Warning, "write `:|` to repeat what was, `|:` to repeat what comes, `::` for both";
    /// A start of repeat without an end.
    RepeatNotEnded, "repeat-not-ended", Warning, "write `:|` where the repeat ends";
    /// Repeats that count differently at their two ends.
    RepeatMismatch, "repeat-mismatch", Warning, "give both ends the same number of `:`";
    /// More repeats than are played.
    TooManyRepeats, "too-many-repeats", Warning, "";
    /// An ending that could not be read.
    BadEnding, "bad-ending", Warning, "write numbers: `[1`, `[1,3` or `[1-3`";
    /// `[1.2` or `["1st time"`, which other programs write.
    OtherEnding, "other-ending", Note, "in ABC 2.1 write `[1,2` or `[1`";
    /// A first ending without `:|` before the second.
    EndingNotRepeated, "ending-not-repeated", Warning, "close the first ending with `:|`";
    /// A jump to a sign that is not there.
    JumpWithoutSign, "jump-without-sign", Warning, "";
    /// The tune unfolds to too many notes.
    UnfoldedTooLong, "unfolded-too-long", Error, "";
    /// A bar with too little in it.
    BarShort, "bar-short", Warning, "";
    /// A bar with too much in it.
    BarLong, "bar-long", Warning, "";
    /// Voices of different lengths.
    VoicesUnequal, "voices-unequal", Note, "fill the shorter one with rests";
    /// More syllables than notes.
    LyricsTooLong, "lyrics-too-long", Note, "";
    /// Lyrics or symbols without notes.
    LyricsWithoutNotes, "lyrics-without-notes", Warning, "put the line below its music";
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which rule; its severity is [`Code::severity`].
    pub code: Code,
    /// What was found and what was allowed, in one line.
    pub message: Cow<'static, str>,
    /// Where in the tune's text.
    pub span: Span,
}

impl Diagnostic {
    /// A finding of the rule's usual kind.
    pub fn new(code: Code, span: Span, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            span,
        }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// Collects findings up to [`DIAGNOSTICS_A_TUNE_MAX`].
#[derive(Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    dropped: usize,
}

impl Diagnostics {
    /// Adds a finding; the message is only made when it is kept.
    pub fn add<M: Into<Cow<'static, str>>>(
        &mut self,
        code: Code,
        span: Span,
        message: impl FnOnce() -> M,
    ) {
        if self.kept.len() < DIAGNOSTICS_A_TUNE_MAX {
            self.kept.push(Diagnostic::new(code, span, message()));
        } else {
            self.dropped += 1;
        }
    }

    /// Everything kept, in order of place.
    pub fn into_vec(mut self) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|finding| finding.span.start);
        self.kept
    }

    /// How many were counted only.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_made_of_lower_case_words() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{text}"
            );
        }
    }

    #[test]
    fn findings_beyond_the_bound_are_counted_not_kept() {
        let mut found = Diagnostics::default();
        for _ in 0..DIAGNOSTICS_A_TUNE_MAX + 5 {
            found.add(Code::StrayCharacter, Span::default(), || "x");
        }
        assert_eq!(found.dropped(), 5);
        assert_eq!(found.into_vec().len(), DIAGNOSTICS_A_TUNE_MAX);
    }
}
