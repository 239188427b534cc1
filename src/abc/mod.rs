//! ABC text ↔ `Tune`, the written music: reading never fails, printing is canonical.
//!
//! Comes in: bytes of a tunebook, or the text of a tune. Goes out: a `Tune` plus what was odd in the text.
//! Does not do: what sounds (repeats, accidentals, lengths in time): that is `score`.
//!
//! The standard is ABC 2.1 (December 2011); `§` in comments names its sections. Habits of older versions that
//! real tunebooks show are read too, each with a diagnostic.

mod charset;
mod decoration;
mod diagnostic;
mod directive;
mod examples;
mod expanded;
mod field;
mod lexer;
mod line_kind;
mod macros;
mod parser;
mod printer;
mod repair;
mod text;
mod transpose;
mod tune;
mod tune_text;
mod tunebook;
mod typography;

pub use charset::{Charset, Encoding};
pub use decoration::Decoration;
pub use diagnostic::{Code, DIAGNOSTICS_A_TUNE_MAX, Diagnostic, Diagnostics, Severity, Span};
pub use directive::{AccidentalReach, Directive, MidiDirective};
pub use examples::example;
pub use field::{
    ClefChange, FieldValue, KeyField, PartOrder, PartOrderItem, TempoField, TempoValue, UserSymbol,
    VoiceField,
};
pub use parser::{Parsed, parse, parse_tune};
pub use printer::{print, print_aligned, print_for_file, print_own_lines};
pub use repair::{Edit, edited, edits};
pub use text::decoded;
pub use transpose::{TRANSPOSITION_MAX, transposed};
pub use tune::{
    BarLine, BarStyle, Chord, Ending, Field, Grace, Line, LineContent, Multiplier, MusicLine, Note,
    Symbol, SymbolKind, Tie, Tune, Tuplet,
};
pub use tune_text::{Included, Place, TuneText};
pub use tunebook::{Includer, LostMusic, TUNE_BYTES_MAX, Tunebook};
