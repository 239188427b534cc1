//! All that can be asked of composing and playing, in one table, as words and as values.
//!
//! In: names and texts, from a flag, a configuration file, the environment, a request, a controller, or a tune's provenance.
//! Out: [`Settings`], checked, and the band's arrangement that follows from them. What a model is asked follows in `compose`.
//! A row of the table is all that a new wish needs: every door reads it, with the same meaning, range and complaint.

mod arrangement;
mod error;
mod table;
mod time_span;
mod values;

pub use error::{SettingError, ValueError, did_you_mean, nearest};
pub use table::{Decides, Effect, Row, SHORTHANDS, Settings, SettingsPatch, Shown, TABLE, rows};
pub use time_span::TimeSpan;
pub(crate) use values::whole;
pub use values::{
    COMPASSES, ChordPattern, Compass, CountIn, Form, FormPart, INSTRUMENTS, MinP, Muted, PartBars,
    PartVolumes, Prime, PrimeBars, SetTunes, Swing, Switch, Takes, Temperature, TempoScale, Times,
    Tradition, Value, Volume, Wish, instrument_name,
};
