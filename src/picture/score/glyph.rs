//! The signs of music, drawn for this program: which there are, how large they are, where stems join them.
//!
//! In: a [`Glyph`]. Out: its [`Bounds`], anchors and outline. Not: where it stands on a page.
//!
//! Lengths are staff spaces, the gap between two lines of a staff; x goes right and y goes **down**, as on a screen.
//! The origin is at the left of the sign and on the line or place it speaks of: for a head the height of its note, for
//! a clef the line it names, for a mark above a note the mark's foot.

/// A rectangle that holds what is drawn, in staff spaces; y goes down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least x.
    pub left: f32,
    /// The least y.
    pub top: f32,
    /// The greatest x.
    pub right: f32,
    /// The greatest y.
    pub bottom: f32,
}

impl Bounds {
    /// From left to right.
    pub const fn width(self) -> f32 {
        self.right - self.left
    }

    /// From top to bottom.
    pub const fn height(self) -> f32 {
        self.bottom - self.top
    }
}

/// Declares the glyphs: variant, number in SMuFL 1.4 (the standard's name for the same sign; `F400` and on are our own),
/// bounds as left, top, right, bottom.
macro_rules! glyphs {
    ($($(#[$doc:meta])* $variant:ident, $smufl:literal, [$left:literal, $top:literal, $right:literal, $bottom:literal];)*) => {
        /// A sign of music.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Glyph {
            $($(#[$doc])* $variant,)*
        }

        impl Glyph {
            /// All glyphs, in the order of their numbers `as usize`.
            pub const ALL: &[Glyph] = &[$(Glyph::$variant,)*];

            /// Its number in the Standard Music Font Layout.
            pub const fn smufl(self) -> u16 {
                match self { $(Self::$variant => $smufl,)* }
            }

            /// The rectangle its outline fills.
            pub const fn bounds(self) -> Bounds {
                match self {
                    $(Self::$variant => Bounds { left: $left, top: $top, right: $right, bottom: $bottom },)*
                }
            }
        }
    };
}

glyphs! {
    /// The treble clef; its curl is about the line of G, which is y = 0.
    GClef, 0xE050, [0.0, -4.39, 2.68, 2.65];
    /// The bass clef; its dots are about the line of F, which is y = 0.
    FClef, 0xE062, [-0.01, -1.05, 2.74, 2.55];
    /// The alto or tenor clef; its middle is the line of C, which is y = 0.
    CClef, 0xE05C, [0.0, -2.02, 2.81, 2.02];
    /// The clef of instruments without pitch, about the middle line.
    PercussionClef, 0xE069, [0.0, -1.0, 1.52, 1.0];
    /// Zero, about the middle of its two spaces.
    Digit0, 0xE080, [0.08, -1.0, 1.8, 1.0];
    /// One.
    Digit1, 0xE081, [0.08, -1.0, 1.24, 1.0];
    /// Two.
    Digit2, 0xE082, [0.07, -1.02, 1.7, 1.03];
    /// Three.
    Digit3, 0xE083, [0.08, -1.01, 1.6, 1.0];
    /// Four.
    Digit4, 0xE084, [0.07, -1.0, 1.8, 1.0];
    /// Five.
    Digit5, 0xE085, [0.08, -0.99, 1.53, 1.0];
    /// Six.
    Digit6, 0xE086, [0.08, -1.0, 1.66, 1.0];
    /// Seven.
    Digit7, 0xE087, [0.08, -1.01, 1.68, 1.01];
    /// Eight.
    Digit8, 0xE088, [0.08, -1.04, 1.66, 1.04];
    /// Nine.
    Digit9, 0xE089, [0.07, -1.0, 1.65, 1.0];
    /// Plus, between the beats of an additive metre.
    MeterPlus, 0xE08C, [0.0, -1.0, 2.0, 1.0];
    /// C: four quarters.
    CommonTime, 0xE08A, [0.02, -1.0, 1.69, 1.0];
    /// C with a stroke: two halves.
    CutTime, 0xE08B, [0.02, -1.44, 1.69, 1.44];
    /// Two whole notes long.
    HeadBreve, 0xE0A0, [0.0, -0.62, 2.4, 0.62];
    /// A whole note.
    HeadWhole, 0xE0A2, [0.0, -0.5, 1.69, 0.5];
    /// A hollow head with a stem.
    HeadHalf, 0xE0A3, [0.0, -0.5, 1.18, 0.5];
    /// A filled head.
    HeadBlack, 0xE0A4, [0.0, -0.5, 1.18, 0.5];
    /// A cross: struck, not sung.
    HeadCross, 0xE0A9, [0.0, -0.5, 1.16, 0.5];
    /// One semitone lower.
    Flat, 0xE260, [0.0, -1.76, 0.9, 0.7];
    /// Neither sharp nor flat.
    Natural, 0xE261, [0.0, -1.36, 0.67, 1.34];
    /// One semitone higher.
    Sharp, 0xE262, [0.0, -1.4, 1.0, 1.4];
    /// Two semitones higher.
    DoubleSharp, 0xE263, [0.0, -0.5, 0.99, 0.5];
    /// Two semitones lower.
    DoubleFlat, 0xE264, [0.0, -1.76, 1.64, 0.7];
    /// A quarter tone lower: a flat turned round.
    QuarterFlat, 0xE280, [0.0, -1.76, 0.9, 0.7];
    /// Three quarter tones lower.
    ThreeQuarterFlat, 0xE281, [0.0, -1.76, 1.86, 0.7];
    /// A quarter tone higher: a sharp with one stroke.
    QuarterSharp, 0xE282, [0.0, -1.23, 0.71, 1.41];
    /// Three quarter tones higher: a sharp with three strokes.
    ThreeQuarterSharp, 0xE283, [0.0, -1.47, 1.26, 1.39];
    /// One flag on a stem that goes up.
    Flag8Up, 0xE240, [0.0, 0.0, 1.06, 3.24];
    /// One flag on a stem that goes down.
    Flag8Down, 0xE241, [0.0, -3.22, 1.23, 0.0];
    /// Two flags, stem up.
    Flag16Up, 0xE242, [0.0, 0.0, 1.11, 3.25];
    /// Two flags, stem down.
    Flag16Down, 0xE243, [0.0, -3.25, 1.15, 0.04];
    /// Three flags, stem up.
    Flag32Up, 0xE244, [0.0, -0.6, 1.04, 3.25];
    /// Three flags, stem down.
    Flag32Down, 0xE245, [0.0, -3.25, 1.08, 0.69];
    /// Four flags, stem up.
    Flag64Up, 0xE246, [0.0, -1.39, 1.04, 3.25];
    /// Four flags, stem down.
    Flag64Down, 0xE247, [0.0, -3.25, 1.08, 1.5];
    /// Silence of two whole notes, in the space above y = 0.
    RestBreve, 0xE4E2, [0.0, -1.0, 0.5, 0.0];
    /// Silence of a whole note or a bar; hangs from the line y = 0.
    RestWhole, 0xE4E3, [0.0, 0.0, 1.13, 0.54];
    /// Silence of a half note; lies on the line y = 0.
    RestHalf, 0xE4E4, [0.0, -0.55, 1.13, 0.0];
    /// Silence of a quarter, about the middle line.
    RestQuarter, 0xE4E5, [0.01, -1.49, 1.08, 1.5];
    /// Silence of an eighth.
    Rest8, 0xE4E6, [0.0, -0.7, 0.98, 1.02];
    /// Silence of a sixteenth.
    Rest16, 0xE4E7, [0.0, -0.7, 1.27, 2.02];
    /// Silence of a thirty-second.
    Rest32, 0xE4E8, [0.0, -1.7, 1.44, 2.02];
    /// Silence of a sixty-fourth.
    Rest64, 0xE4E9, [0.0, -1.71, 1.67, 3.02];
    /// Half as long again; also the dots of repeats.
    Dot, 0xE1E7, [0.0, -0.2, 0.4, 0.2];
    /// Short; stands on y = 0, as all marks above a note do.
    Staccato, 0xE4A2, [0.0, -0.34, 0.34, 0.0];
    /// Very short; its point is down.
    Wedge, 0xE4A8, [0.0, -1.17, 0.36, 0.0];
    /// Held.
    Tenuto, 0xE4A4, [0.0, -0.19, 1.35, 0.0];
    /// Struck harder.
    Accent, 0xE4A0, [-0.02, -0.97, 1.36, -0.01];
    /// Struck harder still.
    Marcato, 0xE4AC, [0.0, -1.01, 0.94, 0.0];
    /// Held longer.
    Fermata, 0xE4C0, [0.01, -1.31, 2.41, 0.01];
    /// Held longer, below the staff; hangs from y = 0.
    FermataBelow, 0xE4C1, [0.01, -0.01, 2.41, 1.31];
    /// The bow goes up.
    UpBow, 0xE612, [0.0, -1.98, 1.0, 0.0];
    /// The bow goes down.
    DownBow, 0xE610, [0.0, -1.27, 1.25, 0.0];
    /// A comma: breathe.
    Breath, 0xE4CE, [0.0, -1.0, 0.61, 0.0];
    /// A small plus: plucked with the left hand.
    LeftHandPluck, 0xE633, [0.0, -1.09, 1.09, 0.0];
    /// The string snaps on the fingerboard.
    SnapPluck, 0xE631, [0.0, -1.2, 0.8, 0.0];
    /// An open string, or a harmonic.
    Open, 0xE614, [0.0, -0.8, 0.8, 0.0];
    /// Thumb position.
    Thumb, 0xE624, [0.0, -1.18, 0.69, 0.0];
    /// tr
    Trill, 0xE566, [-0.01, -1.55, 2.08, 0.04];
    /// Around the note from above.
    Turn, 0xE567, [-0.01, -0.87, 1.85, 0.0];
    /// Around the note from below.
    TurnInverted, 0xE568, [-0.03, -0.87, 1.83, 0.0];
    /// An upper mordent: a short wave.
    ShortTrill, 0xE56C, [-0.01, -0.98, 2.9, 0.0];
    /// A lower mordent: a short wave with a stroke.
    Mordent, 0xE56D, [-0.01, -1.28, 2.9, 0.28];
    /// An Irish roll: a note cut twice.
    Roll, 0xF400, [-0.01, -0.76, 1.85, -0.09];
    /// Where a jump goes.
    Segno, 0xE047, [0.01, -3.02, 2.21, 0.11];
    /// Where a jump leaves, and where it lands.
    Coda, 0xE048, [-0.01, -3.59, 3.81, 0.62];
    /// p; letters of dynamics stand on y = 0 and follow each other by their advances.
    DynamicP, 0xE520, [-0.35, -1.11, 1.44, 0.57];
    /// m
    DynamicM, 0xE521, [-0.08, -1.12, 1.78, 0.03];
    /// f
    DynamicF, 0xE522, [-0.56, -1.79, 1.47, 0.61];
    /// r
    DynamicR, 0xE523, [-0.08, -1.1, 1.1, 0.0];
    /// s
    DynamicS, 0xE524, [0.0, -1.11, 0.9, 0.04];
    /// z
    DynamicZ, 0xE525, [-0.11, -1.07, 0.98, 0.04];
    /// One wave of the line after a trill; the next is one advance further.
    TrillWave, 0xEAA4, [-0.14, -0.84, 1.09, -0.4];
    /// One wave of an arpeggio's line, lying; turned up by whoever draws it.
    ArpeggioWave, 0xEAA9, [-0.13, -0.48, 1.17, 0.0];
    /// The upper end of a bracket.
    BracketTop, 0xE003, [0.0, -1.18, 1.88, 0.0];
    /// The lower end of a bracket.
    BracketBottom, 0xE004, [0.0, 0.0, 1.88, 1.18];
}

/// Where the outline of a stem meets a head, from the head's origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StemAnchors {
    /// The right edge of a stem that goes up: x, y.
    pub up: (f32, f32),
    /// The left edge of a stem that goes down: x, y.
    pub down: (f32, f32),
}

impl Glyph {
    /// The digit 0..=9 of a time signature; `None` for greater numbers.
    pub const fn digit(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Digit0,
            1 => Self::Digit1,
            2 => Self::Digit2,
            3 => Self::Digit3,
            4 => Self::Digit4,
            5 => Self::Digit5,
            6 => Self::Digit6,
            7 => Self::Digit7,
            8 => Self::Digit8,
            9 => Self::Digit9,
            _ => return None,
        })
    }

    /// How far right of the origin the next sign of a row begins: digits, letters of dynamics, waves of a line.
    pub const fn advance(self) -> f32 {
        match self {
            Self::DynamicP => 1.25,
            Self::DynamicM => 1.75,
            Self::DynamicF => 0.95,
            Self::DynamicR => 0.85,
            Self::DynamicS => 0.8,
            Self::DynamicZ => 0.95,
            Self::TrillWave => 0.95,
            Self::ArpeggioWave => 1.02,
            _ => self.bounds().right,
        }
    }

    /// Where stems join this head; `None` for what is no head, and for heads that take no stem.
    pub const fn stem_anchors(self) -> Option<StemAnchors> {
        let y = match self {
            Self::HeadHalf | Self::HeadBlack => 0.17,
            Self::HeadCross => 0.44,
            _ => return None,
        };
        Some(StemAnchors {
            up: (self.bounds().right, -y),
            down: (self.bounds().left, y),
        })
    }
}
