//! Decorations: the marks put on notes and bars with `!…!` or a letter.
//!
//! Comes in: their names (ABC 2.1 §4.14, and the spellings other programs write). Goes out: `Decoration`.
//! Does not do: how they sound (that is `performance`); jumps are followed by `score`.

use std::sync::Arc;

/// Declares the decorations: variant, canonical name, other spellings.
macro_rules! decorations {
    ($($(#[$doc:meta])* $variant:ident, $name:literal $(, $other:literal)*;)*) => {
        /// A mark on a note, rest, chord or bar line.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Decoration {
            $($(#[$doc])* $variant,)*
            /// A name that is not known; it is kept and has no effect (§4.14: ignore it). Boxed once more, for there are
            /// few of these, and so every decoration takes two words instead of three.
            Unknown(Arc<Box<str>>),
        }

        impl Decoration {
            /// From the name between the exclamation marks.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($name $(| $other)* => Self::$variant,)*
                    _ => Self::Unknown(Arc::new(Box::from(name))),
                }
            }

            /// The canonical name, as written between exclamation marks.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(name) => name,
                }
            }
        }
    };
}

decorations! {
    /// Short.
    Staccato, "staccato", ".";
    /// Very short: a wedge.
    Wedge, "wedge";
    /// Held for its full length.
    Tenuto, "tenuto";
    /// Accented.
    Accent, "accent", ">", "emphasis";
    /// Strongly accented.
    Marcato, "marcato", "^";
    /// An Irish roll.
    Roll, "roll", "~";
    /// A trill.
    Trill, "trill", "tr";
    /// The start of a trill over several notes.
    TrillStart, "trill(";
    /// The end of a trill over several notes.
    TrillEnd, "trill)";
    /// A lower mordent.
    LowerMordent, "lowermordent", "mordent";
    /// An upper mordent.
    UpperMordent, "uppermordent", "pralltriller";
    /// A turn.
    Turn, "turn";
    /// A turn with a line through it.
    TurnWithLine, "turnx";
    /// An inverted turn.
    InvertedTurn, "invertedturn";
    /// An inverted turn with a line through it.
    InvertedTurnWithLine, "invertedturnx";
    /// A chord rolled from below.
    Arpeggio, "arpeggio";
    /// A slide up to the note.
    Slide, "slide";
    /// Held longer.
    Fermata, "fermata", "hold";
    /// Held longer, drawn below.
    InvertedFermata, "invertedfermata";
    /// A breath after the note.
    Breath, "breath";
    /// Left-hand pizzicato.
    Plus, "plus", "+";
    /// Snap pizzicato.
    Snap, "snap";
    /// Up-bow.
    UpBow, "upbow", "u";
    /// Down-bow.
    DownBow, "downbow", "v";
    /// Open string or harmonic.
    Open, "open";
    /// Cello thumb position.
    Thumb, "thumb";
    /// Finger 0.
    Finger0, "0";
    /// Finger 1.
    Finger1, "1";
    /// Finger 2.
    Finger2, "2";
    /// Finger 3.
    Finger3, "3";
    /// Finger 4.
    Finger4, "4";
    /// Finger 5.
    Finger5, "5";
    /// Softest: 30 of 127, as `ppp`.
    Pppp, "pppp";
    /// 30 of 127.
    Ppp, "ppp";
    /// 45 of 127.
    Pp, "pp";
    /// 60 of 127.
    P, "p";
    /// 75 of 127.
    Mp, "mp";
    /// 90 of 127: the default.
    Mf, "mf";
    /// 105 of 127.
    F, "f";
    /// 120 of 127.
    Ff, "ff";
    /// 127 of 127.
    Fff, "fff";
    /// 127 of 127, as `fff`.
    Ffff, "ffff";
    /// A sudden accent.
    Sforzando, "sfz", "sf";
    /// Louder from here.
    CrescendoStart, "crescendo(", "<(", "cresc(";
    /// As loud as it gets.
    CrescendoEnd, "crescendo)", "<)", "cresc)";
    /// Softer from here.
    DiminuendoStart, "diminuendo(", ">(", "dim(";
    /// As soft as it gets.
    DiminuendoEnd, "diminuendo)", ">)", "dim)";
    /// Where `D.S.` goes.
    Segno, "segno";
    /// Where one leaves for the coda, and where the coda begins.
    Coda, "coda";
    /// Where one leaves for the coda.
    ToCoda, "dacoda", "tocoda";
    /// From the sign again.
    DalSegno, "D.S.", "dalsegno", "D.S";
    /// From the sign to `fine`.
    DalSegnoAlFine, "D.S.alfine";
    /// From the sign to the coda.
    DalSegnoAlCoda, "D.S.alcoda";
    /// From the beginning again.
    DaCapo, "D.C.", "dacapo", "D.C";
    /// From the beginning to `fine`.
    DaCapoAlFine, "D.C.alfine";
    /// From the beginning to the coda.
    DaCapoAlCoda, "D.C.alcoda";
    /// The end, when it is reached after a jump.
    Fine, "fine";
    /// A short phrase mark.
    ShortPhrase, "shortphrase";
    /// A medium phrase mark.
    MediumPhrase, "mediumphrase";
    /// A long phrase mark.
    LongPhrase, "longphrase";
    /// A line of glissando begins.
    GlissandoStart, "~(", "-(";
    /// A line of glissando ends.
    GlissandoEnd, "~)", "-)";
    /// An octave higher from here (drawn only).
    OttavaStart, "8va(";
    /// The end of an octave higher.
    OttavaEnd, "8va)";
    /// An octave lower from here (drawn only).
    OttavaBassaStart, "8vb(", "8ba(";
    /// The end of an octave lower.
    OttavaBassaEnd, "8vb)", "8ba)";
    /// Piano pedal down.
    PedalDown, "ped";
    /// Piano pedal up.
    PedalUp, "ped-up", "ped-end";
    /// One tremolo stroke.
    Tremolo1, "/";
    /// Two tremolo strokes.
    Tremolo2, "//";
    /// Three tremolo strokes.
    Tremolo3, "///", "trem3";
    /// A stemless note (drawn only).
    Stemless, "stemless";
    /// A cross head (drawn only).
    CrossHead, "style=x", "xstem";
    /// Beam drawing hint.
    BeamRest, "beam-accel", "beam-rall", "beambr1", "beambr2";
    /// A break in the drawn repeat of measures (drawn only).
    RepeatBarLine, "rbstop", "rbend";
    /// A double line on the note (drawn only).
    Editorial, "editorial", "courtesy";
}

impl Decoration {
    /// What a letter means where no `U:` says otherwise (§4.16); `None` for letters without a meaning.
    pub fn from_shorthand(letter: char) -> Option<Self> {
        Some(match letter {
            '.' => Self::Staccato,
            '~' => Self::Roll,
            'H' => Self::Fermata,
            'L' => Self::Accent,
            'M' => Self::LowerMordent,
            'O' => Self::Coda,
            'P' => Self::UpperMordent,
            'S' => Self::Segno,
            'T' => Self::Trill,
            'u' => Self::UpBow,
            'v' => Self::DownBow,
            _ => return None,
        })
    }

    /// Whether it says something that holds from its place on, or there, with or without a note: dynamics, hairpins, the pedal,
    /// a pause, a breath.
    pub fn is_direction(&self) -> bool {
        self.loudness().is_some()
            || matches!(
                self,
                Self::CrescendoStart
                    | Self::CrescendoEnd
                    | Self::DiminuendoStart
                    | Self::DiminuendoEnd
                    | Self::PedalDown
                    | Self::PedalUp
                    | Self::Fermata
                    | Self::InvertedFermata
                    | Self::Breath
            )
    }

    /// How hard the first note of a bar is struck after this sign, 1..=127; `None` for what is no dynamic. The numbers are
    /// those of abc2midi's guide.
    pub fn loudness(&self) -> Option<u8> {
        Some(match self {
            Self::Pppp | Self::Ppp => 30,
            Self::Pp => 45,
            Self::P => 60,
            Self::Mp => 75,
            Self::Mf => 90,
            Self::F => 105,
            Self::Ff => 120,
            Self::Fff | Self::Ffff => 127,
            _ => return None,
        })
    }

    /// Whether it sends the player somewhere else, or is such a place.
    pub fn is_jump(&self) -> bool {
        matches!(
            self,
            Self::Segno
                | Self::Coda
                | Self::ToCoda
                | Self::DalSegno
                | Self::DalSegnoAlFine
                | Self::DalSegnoAlCoda
                | Self::DaCapo
                | Self::DaCapoAlFine
                | Self::DaCapoAlCoda
                | Self::Fine
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_lead_to_the_same_decoration() {
        assert_eq!(
            Decoration::from_name(">"),
            Decoration::from_name("emphasis")
        );
        assert_eq!(Decoration::from_name("dacapo").name(), "D.C.");
        assert_eq!(Decoration::from_shorthand('T'), Some(Decoration::Trill));
    }

    #[test]
    fn an_unknown_name_is_kept() {
        assert_eq!(Decoration::from_name("wobble").name(), "wobble");
    }
}
