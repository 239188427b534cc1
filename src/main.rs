//! Calls [`ceilid::cli::run`]; the exit status is all that comes back.

use std::process::ExitCode;

fn main() -> ExitCode {
    ceilid::cli::run()
}
