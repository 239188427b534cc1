//! A band that plays one tune again and again to nobody, for what steers it to be tried on.

use ceilid::daemon::clock::RealClock;
use ceilid::daemon::rendition::Rendition;
use ceilid::daemon::{
    self, DaemonParts, Handle, Origin, PlayerSettings, ReadyTune, SourceError, TuneId, TuneRecord,
    TuneRequest, TuneSource,
};
use ceilid::output::null::NullOutput;
use ceilid::performance::perform;
use ceilid::{abc, score, wishes};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const TUNE: &str = "X:1\nT:One\nR:jig\nM:6/8\nL:1/8\nK:D\n|:\"D\"fef afd|\"G\"gfg \"A\"e3:|\n";

/// The way to the band, which is started by the first who asks and ends with the process.
pub fn band() -> &'static Handle {
    static BAND: OnceLock<Handle> = OnceLock::new();
    BAND.get_or_init(|| {
        let parts = DaemonParts {
            source: Box::new(OneTune),
            outputs: vec![Box::new(NullOutput::new())],
            opener: None,
            settings: wishes::Settings::default(),
            changed: Default::default(),
            plan: Default::default(),
            archive: None,
            first_tune: TuneId(1),
            player: PlayerSettings::default(),
            clock: Arc::new(RealClock),
        };
        let (daemon, _) = daemon::start(parts, Arc::default()).expect("threads start");
        daemon.handle().clone()
    })
}

struct OneTune;

impl TuneSource for OneTune {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        let score = score::read_obeying(&abc::parse(TUNE).tune).score;
        let record = TuneRecord {
            id: request.id,
            title: "One".to_owned(),
            abc: TUNE.to_owned(),
            length: Duration::ZERO,
            rendition: Rendition::new(Arc::clone(&request.settings), 0),
            verdict: String::new(),
            origin: Origin::Old(String::new()),
            set: None,
        };
        let performance = perform(&score, &wishes::Settings::default().arrangement(), 1);
        Ok(ReadyTune::of_performance(record, performance))
    }
}
