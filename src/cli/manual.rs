//! `ceilid man`: the manual pages, made from the commands themselves.
//!
//! In: the command line's own description. Out: roff. Not: a text of its own that could say something else, but for the
//! exit codes.

use super::Failure;
use anyhow::anyhow;
use clap::Command;
use clap_mangen::Man;
use std::io;

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
0
Done.
.TP
1
The input is at fault; each fault was named.
.TP
2
The command line is at fault.
.TP
3
The environment is at fault: a device, a port, the disk, the network.
.TP
130
Stopped by Ctrl\-C or a signal; what was done so far is kept.
"#;

/// The page of the command that `path` names, such as `corpus split`; without a name the program's own, which holds
/// every option of every command.
///
/// # Errors
/// There is no such command (usage).
pub(super) fn page(mut program: Command, path: &[String]) -> Result<Vec<u8>, Failure> {
    program.build();
    let mut command = &program;
    for name in path {
        command = command.find_subcommand(name).ok_or_else(|| {
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            Failure::usage(anyhow!("`{}` has no command `{name}`", command.get_name()))
                .hint(format!("there are {}", names.join(", ")))
        })?;
    }
    let mut page = Vec::new();
    write(&mut page, command).map_err(Failure::environment)?;
    Ok(page)
}

fn write(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    write_commands_below(page, command)?;
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    man.render_version_section(page)
}

/// A section for each command below: what it does, how it is called, its options.
fn write_commands_below(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        if below.has_subcommands() {
            write_commands_below(page, below)?;
            continue;
        }
        // What every command has stands in the page's own options.
        let own = below.clone().mut_args(|option| {
            let is_global = option.is_global_set();
            option.hide(is_global)
        });
        let name = below.get_bin_name().unwrap_or(below.get_name());
        page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        let man = Man::new(own);
        let mut parts = Vec::new();
        man.render_description_section(&mut parts)?;
        man.render_synopsis_section(&mut parts)?;
        man.render_options_section(&mut parts)?;
        let parts = String::from_utf8_lossy(&parts);
        for line in parts
            .lines()
            .filter(|line| !line.starts_with(".SH DESCRIPTION"))
        {
            let line = line.replacen(".SH", ".SS", 1);
            page.extend_from_slice(line.as_bytes());
            page.push(b'\n');
        }
    }
    Ok(())
}
