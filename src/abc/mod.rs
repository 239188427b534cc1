//! ABC text ↔ `Tune`, the written music: reading never fails, printing is canonical.
//!
//! Comes in: bytes of a tunebook, or the text of a tune. Goes out: a `Tune` plus what was odd in the text.
//! Does not do: what sounds (repeats, accidentals, lengths in time): that is `score`.
//!
//! The standard is ABC 2.1 (December 2011); `§` in comments names its sections. Habits of older versions that
//! real tunebooks show are read too, each with a diagnostic.

mod decoration;
mod diagnostic;
mod directive;
mod field;
mod lexer;
mod macros;
mod parser;
mod printer;
mod text;
mod tune;
mod tunebook;

pub use decoration::Decoration;
pub use diagnostic::{Code, DIAGNOSTICS_A_TUNE_MAX, Diagnostic, Diagnostics, Severity, Span};
pub use directive::{AccidentalReach, Directive, MidiDirective};
pub use field::{
    ClefChange, FieldValue, KeyField, PartOrder, PartOrderItem, TempoField, TempoValue, UserSymbol,
    VoiceField,
};
pub use parser::{Parsed, parse, parse_tune};
pub use printer::{print, print_own_lines};
pub use text::decoded;
pub use tune::{
    BarLine, BarStyle, Chord, Ending, Field, Grace, Line, LineContent, Multiplier, MusicLine, Note,
    Symbol, SymbolKind, Tie, Tune, Tuplet,
};
pub use tunebook::{Encoding, Place, TUNE_BYTES_MAX, TuneText, Tunebook};
