//! The threads that tunes are made on side by side.
//!
//! In: `--threads`. Out: a pool of so many. Not: the threads of a model that is taught, or of what plays.

use rayon::ThreadPoolBuilder;

/// Most threads: more than any machine has cores.
const THREADS_MAX: u64 = 1_024;

/// How many threads somebody asks for.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct ThreadFlag {
    /// Threads to work on [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=THREADS_MAX))]
    threads: Option<u64>,
}

impl ThreadFlag {
    /// What makes a pool of so many.
    pub(super) fn builder(self) -> ThreadPoolBuilder {
        // lossless: at most `THREADS_MAX`; 0 is one a core
        ThreadPoolBuilder::new().num_threads(self.threads.map_or(0, |count| count as usize))
    }
}
