//! Keeps a running `serve` in step with its files and its service manager.
//!
//! In: SIGHUP, changed files, the service manager's watchdog. Out: a daemon that goes by what the files say now, and signs of
//! its life. A file that is wrong changes nothing, and that is said once.

use super::config_flags::ServeFlags;
use super::doors::Doors;
use super::notify::ServiceManager;
use super::opener::{self, OutputOpener};
use super::state_file::StateFile;
use super::watch::FileWatch;
use super::{Context, Failure, shipped, source, stop};
use crate::daemon::clock::ClockSpeed;
use crate::daemon::config::Config;
use crate::daemon::outputs::OutputChange;
use crate::daemon::saved_state::SavedState;
use crate::daemon::{Adoption, Handle, Settings};
use crate::output::OutputName;
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
    /// What is changed while it plays, if that is kept.
    state_file: Option<StateFile>,
    opener: Option<Arc<OutputOpener>>,
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
        let state_file = match config.clock_speed {
            ClockSpeed::Real => StateFile::of(&config, &context),
            // A rehearsal leaves nothing behind.
            ClockSpeed::Hurried(_) | ClockSpeed::Stepping => None,
        };
        let mut caretaker = Self {
            state_file,
            opener: None,
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

    /// What was changed while the daemon before this one played.
    pub(super) fn saved_state(&self) -> SavedState {
        let state = self.state_file.as_ref().map(StateFile::state);
        state.cloned().unwrap_or_default()
    }

    /// The daemon runs, with these outputs. `stop` is the flag that ends it.
    pub(super) fn begin(
        &mut self,
        handle: &Handle,
        opener: Arc<OutputOpener>,
        stop: Arc<AtomicBool>,
    ) {
        self.stop = stop;
        self.opener = Some(opener);
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
        self.keep_state(handle);
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

    /// The daemon has ended.
    pub(super) fn end(&mut self, handle: &Handle) {
        self.keep_state(handle);
        self.manager.tell("STOPPING=1");
    }

    fn keep_state(&mut self, handle: &Handle) {
        if let (Some(file), Some(opener)) = (&mut self.state_file, &self.opener) {
            file.keep(handle, opener, &self.config);
        }
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
                if config.archive != self.config.archive
                    || (config.listen, &config.token) != (self.config.listen, &self.config.token)
                {
                    tracing::warn!(
                        "another archive and another address are taken up at the next start"
                    );
                }
                let before = std::mem::replace(&mut self.config, config);
                self.change_outputs(&before, handle);
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

    /// Adds the outputs that the file has now, and takes those away that it had.
    fn change_outputs(&self, before: &Config, handle: &Handle) {
        let Some(there) = &self.opener else {
            return;
        };
        let (old, new) = (opener::asked_of(before), opener::asked_of(&self.config));
        let gone = old.iter().filter(|name| !new.contains(name));
        let removals = gone.filter_map(|name| Some(OutputChange::Remove(there.shown(name)?)));
        let come = new.iter().filter(|name| !old.contains(name));
        let additions = come.filter_map(|asked| {
            let name: OutputName = asked.parse().ok()?;
            there.know(&name.to_string(), asked);
            Some(OutputChange::Add(name.to_string()))
        });
        for change in removals.chain(additions) {
            if let Err(error) = handle.change_outputs(change) {
                tracing::error!(%error, "an output stays as it was");
            }
        }
    }

    fn read_anew(&self, because: Because) -> Result<(Config, Adoption), Failure> {
        let config = self.flags.config(&self.context)?;
        // What the next start would refuse is refused now.
        opener::configured(&config)?;
        Doors::of(&config)?;
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
