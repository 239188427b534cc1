//! Keeps a running `serve` in step with its files and its service manager.
//!
//! In: SIGHUP, changed files, the service manager's watchdog. Out: a daemon that goes by what the files say now, and signs of
//! its life. A file that is wrong changes nothing, and that is said once.

use super::config_flags::ServeFlags;
use super::notify::ServiceManager;
use super::watch::FileWatch;
use super::{Context, Failure, shipped, source, stop};
use crate::daemon::config::Config;
use crate::daemon::{Adoption, Handle, Settings};
use crate::output::synth::SynthFont;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks after a running daemon.
pub(super) struct Caretaker {
    flags: ServeFlags,
    /// Without what the file says.
    context: Context,
    config: Config,
    config_watch: FileWatch,
    model_watch: FileWatch,
    font_watch: FileWatch,
    /// A font that was taken up, until somebody asks for it.
    new_font: Option<SynthFont>,
    look_due: Instant,
    hang_up: Arc<AtomicBool>,
    /// Raised at the end: a tune that is being written for a new model is given up.
    stop: Arc<AtomicBool>,
    manager: ServiceManager,
    sign_of_life: Option<SignOfLife>,
}

/// When the service manager was last told that the daemon lives, and how far that had got.
struct SignOfLife {
    interval: Duration,
    due: Instant,
    turns: [u64; 2],
}

impl Caretaker {
    /// A caretaker that has not begun.
    ///
    /// # Errors
    /// The system refuses a handler for SIGHUP (environment).
    pub(super) fn new(
        flags: ServeFlags,
        context: Context,
        config: Config,
    ) -> Result<Self, Failure> {
        let mut caretaker = Self {
            flags,
            context,
            config,
            config_watch: FileWatch::default(),
            model_watch: FileWatch::default(),
            font_watch: FileWatch::default(),
            new_font: None,
            look_due: Instant::now() + LOOK_INTERVAL,
            hang_up: stop::hang_up()?,
            stop: Arc::default(),
            manager: ServiceManager::from_environment(),
            sign_of_life: None,
        };
        caretaker.watch();
        Ok(caretaker)
    }

    /// The daemon runs. `stop` is the flag that ends it.
    pub(super) fn begin(&mut self, handle: &Handle, stop: Arc<AtomicBool>) {
        self.stop = stop;
        self.manager.tell("READY=1");
        self.sign_of_life = self.manager.watchdog_interval().map(|interval| SignOfLife {
            interval,
            due: Instant::now(),
            turns: handle.turns(),
        });
    }

    /// To be called a few times a second.
    pub(super) fn look(&mut self, handle: &Handle) {
        self.show_life(handle);
        if self.hang_up.swap(false, Ordering::Relaxed) {
            self.reload(handle, Because::Asked);
        } else if self.look_due <= Instant::now() {
            self.look_due = Instant::now() + LOOK_INTERVAL;
            let has_changed = [
                &mut self.config_watch,
                &mut self.model_watch,
                &mut self.font_watch,
            ]
            .map(FileWatch::has_changed);
            if has_changed.contains(&true) {
                let [_, model, font] = has_changed;
                self.reload(handle, Because::Changed { model, font });
            }
        }
    }

    /// The font that plays since the last time this was asked, if it is another one.
    pub(super) fn take_new_font(&mut self) -> Option<SynthFont> {
        self.new_font.take()
    }

    /// The daemon is about to end.
    pub(super) fn end(&self) {
        self.manager.tell("STOPPING=1");
    }

    fn show_life(&mut self, handle: &Handle) {
        let Some(sign) = &mut self.sign_of_life else {
            return;
        };
        let turns = handle.turns();
        let lives = turns[0] != sign.turns[0] && turns[1] != sign.turns[1];
        if sign.due <= Instant::now() && lives {
            self.manager.tell("WATCHDOG=1");
            sign.due = Instant::now() + sign.interval;
            sign.turns = turns;
        }
    }

    fn reload(&mut self, handle: &Handle, because: Because) {
        self.manager.tell("RELOADING=1");
        match self.read_anew(because) {
            Ok((config, adoption)) => {
                if config.to != self.config.to
                    || config.archive != self.config.archive
                    || (config.listen, &config.token) != (self.config.listen, &self.config.token)
                {
                    tracing::warn!(
                        "other outputs, another archive and another address are taken up at the next start"
                    );
                }
                self.config = config;
                if adoption.font.is_some() {
                    self.new_font.clone_from(&adoption.font);
                }
                if handle.adopt(adoption) {
                    tracing::info!("the configuration was read anew");
                }
            }
            Err(failure) => tracing::error!(%failure, "nothing changes"),
        }
        self.watch();
        self.manager.tell("READY=1");
    }

    fn read_anew(&self, because: Because) -> Result<(Config, Adoption), Failure> {
        let config = self.flags.config(&self.context)?;
        let before = self.context.with_config(&self.config);
        let context = self.context.with_config(&config);
        let settings = Settings::default().patched(&config.settings);
        let (wants_model, wants_font) = match because {
            Because::Asked => (true, true),
            Because::Changed { model, font } => (model, font),
        };
        let has_other_model =
            wants_model || context.model != before.model || context.seed != before.seed;
        let source =
            has_other_model.then(|| source::generated(&settings, &context, Arc::clone(&self.stop)));
        let has_other_font = wants_font || context.soundfont != before.soundfont;
        let font = has_other_font.then(|| shipped::sound_font(&context));
        let adoption = Adoption {
            settings,
            plan: config.plan.clone(),
            source: source.transpose()?,
            font: font.transpose()?,
        };
        Ok((config, adoption))
    }

    fn watch(&mut self) {
        let context = self.context.with_config(&self.config);
        let is_file = |path: &PathBuf| path.is_file();
        self.config_watch = FileWatch::new(context.config.clone());
        self.model_watch = FileWatch::new(context.model.filter(is_file));
        self.font_watch = FileWatch::new(context.soundfont.filter(is_file));
    }
}

/// Why the configuration is read anew.
#[derive(Clone, Copy)]
enum Because {
    /// Somebody sent SIGHUP.
    Asked,
    /// A file changed: the configuration's, or one of these.
    Changed { model: bool, font: bool },
}
