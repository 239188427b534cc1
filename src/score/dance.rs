//! Says which dance a score is for: as its `R:` field names it, or as its metre suggests.

use super::Score;
use crate::music::Dance;

impl Score {
    /// The dance of the tune: what `R:` names, else what its first metre is commonly danced as.
    pub fn dance(&self) -> Dance {
        let named = self.about.rhythm.as_deref().and_then(Dance::named_in);
        named.unwrap_or_else(|| {
            self.meters.first().map_or(Dance::Reel, |mark| {
                match (mark.meter.numerator(), mark.meter.denominator()) {
                    (6, 8) => Dance::Jig,
                    (9, 8) => Dance::SlipJig,
                    (12, 8) => Dance::Slide,
                    (2, 4) => Dance::Polka,
                    (3, _) => Dance::Waltz,
                    _ => Dance::Reel,
                }
            })
        })
    }

    /// The dance that the tune itself says: what `R:` names, else the one that alone has its metre.
    pub fn said_dance(&self) -> Option<Dance> {
        if let Some(rhythm) = &self.about.rhythm {
            return Dance::named_in(rhythm);
        }
        let meter = self.meters.first()?.meter;
        matches!((meter.numerator(), meter.denominator()), (6 | 9 | 12, 8)).then(|| self.dance())
    }
}
