//! More than one machine, as `docs/scaling.md` has it, its recipes run as they stand there but for the names: a Slurm cluster of
//! one node, and an Icecast that relays another. Where a program is not installed (`tests/set_up.sh --tests` installs them)
//! the test is skipped.

mod common;

use common::folder::Folder;
use common::icecast::{Icecast, MountListener};
use common::port::ReservedPort;
use common::process::{InTime, PATIENCE, Running, end_gently, wait_for, wait_within};
use common::skip::lacks;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Tunes of the data set, in parts of two.
const TUNES: &str = "8";

/// The block of the page that begins so, without its fences.
fn recipe(beginning: &str) -> String {
    let page = include_str!("../docs/scaling.md");
    let blocks = page.split("```").skip(1).step_by(2);
    let mut bodies = blocks.filter_map(|block| Some(block.split_once('\n')?.1));
    let found = bodies.find(|body| body.starts_with(beginning));
    found.expect("the page has the recipe").to_owned()
}

/// A recipe with other names, each of which it has.
fn with_names(mut recipe: String, names: &[(&str, &str)]) -> String {
    for (there, here) in names {
        assert!(recipe.contains(there), "`{there}` in {recipe}");
        recipe = recipe.replace(there, here);
    }
    recipe
}

/// A controller and a node with two processors.
struct Slurm {
    config: PathBuf,
    _node: Running,
    _controller: Running,
    _ports: [ReservedPort; 2],
}

impl Slurm {
    fn start(folder: &Folder) -> Self {
        let ports = [ReservedPort::new(), ReservedPort::new()];
        let config = folder.path("slurm.conf");
        let name = Command::new("hostname").output_in_time().stdout;
        let name = String::from_utf8(name).unwrap();
        let name = name.trim();
        for sub in ["state", "spool"] {
            std::fs::create_dir(folder.path(sub)).unwrap();
        }
        // Without passwords, groups of processes and accounts: a cluster for nobody else. Who asks is believed for five seconds,
        // after which a task that was killed may be begun again.
        let text = format!(
            "ClusterName=test\nSlurmctldHost={name}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/none\nCredType=cred/none\nAuthInfo=cred_expire=5\n\
             SlurmctldPort={}\nSlurmdPort={}\nStateSaveLocation={}\nSlurmdSpoolDir={}\n\
             SlurmctldPidFile={}\nSlurmdPidFile={}\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nReturnToService=2\nKillWait=2\n\
             NodeName={name} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
            ports[0].number(),
            ports[1].number(),
            folder.path("state").display(),
            folder.path("spool").display(),
            folder.path("controller.pid").display(),
            folder.path("node.pid").display(),
        );
        std::fs::write(&config, text).unwrap();
        let start = |program: &str| {
            let mut command = Command::new(program);
            command.args(["-D", "-f"]).arg(&config);
            let log = std::fs::File::create(folder.path(program)).unwrap();
            let command = command.stdout(log.try_clone().unwrap()).stderr(log);
            Running(command.spawn().unwrap())
        };
        let cluster = Self {
            _controller: start("slurmctld"),
            _node: start("slurmd"),
            config,
            _ports: ports,
        };
        wait_for("the node", || {
            cluster.ask("sinfo", &["-h", "-o", "%t"]) == "idle"
        });
        cluster
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", &self.config);
        command
    }

    fn ask(&self, program: &str, words: &[&str]) -> String {
        let answer = self.command(program).args(words).output_in_time();
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    }
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named.collect()
}

#[test]
fn an_array_of_slurm_with_a_task_that_is_killed_and_queued_again_makes_the_bytes_of_one_run() {
    if lacks(&[
        "slurmctld",
        "slurmd",
        "sbatch",
        "squeue",
        "scontrol",
        "sinfo",
    ]) {
        return;
    }
    let is_root = Command::new("id").arg("-u").output_in_time().stdout == b"0\n";
    if !is_root {
        return common::skip::skip("a node of Slurm is run by root");
    }
    let folder = Folder::with_tune();
    let cluster = Slurm::start(&folder);
    let program = Path::new(env!("CARGO_BIN_EXE_ceilid"));
    let program = program.display().to_string();
    let whole = folder.path("whole");
    let mut command = Command::new(&program);
    command.args(["generate", "-n", TUNES, "--part-tunes", "2", "--seed", "1"]);
    command.args(["--format", "jsonl", "-o"]).arg(&whole);
    assert!(command.output_in_time().status.success());

    let count = format!("-n {TUNES} --part-tunes 2");
    let shared = folder.path("shared");
    let to = format!("-o {}", shared.display());
    let names = [
        ("exec ceilid", format!("exec {program}")),
        ("1-16", "1-4".to_owned()),
        ("-n 1000000", count),
        ("-o /shared/tunes", to),
    ];
    let names = names
        .each_ref()
        .map(|(there, here)| (*there, here.as_str()));
    let script = with_names(recipe("#!/bin/sh\n#SBATCH"), &names);
    std::fs::write(folder.path("tunes.sh"), script).unwrap();
    let mut command = cluster.command("sbatch");
    command.args(["--parsable", "-o", "%a.log", "tunes.sh"]);
    let job = command.current_dir(folder.0.path()).output_in_time();
    let job = String::from_utf8(job.stdout).unwrap().trim().to_owned();

    let second = format!("{job}_2");
    wait_for("the second task", || {
        cluster.ask("squeue", &["-h", "-j", &second, "-o", "%T"]) == "RUNNING"
    });
    let mut command = cluster.command("scontrol");
    assert!(
        command
            .args(["requeue", &second])
            .status_in_time()
            .success()
    );
    // One task after the other.
    wait_within(20 * PATIENCE, "the tasks", || {
        cluster.ask("squeue", &["-h"]).is_empty()
    });
    assert_eq!(contents(&shared), contents(&whole));
    let log = folder.read("slurmctld");
    assert!(log.contains("Requeuing JobId"), "{log}");
}

#[test]
fn a_listener_of_a_relay_hears_the_band() {
    if lacks(&["icecast2"]) {
        return;
    }
    let first = Icecast::start();
    let port = first.port().to_string();
    let names = [("first.example", "127.0.0.1"), ("8000", port.as_str())];
    let relay = Icecast::start_with(&with_names(recipe("<relay>"), &names));
    let folder = Folder::with_tune();
    let mount = format!("icecast:http://source:hackme@127.0.0.1:{port}/folk.mp3");
    let tunes = ["tune.abc"; 20];
    let arguments = [
        &["play", "--plain", "--gap", "0", "--to", &mount],
        &tunes[..],
    ]
    .concat();
    let mut ceilid = folder.start(&arguments, &[]);
    first.wait_for_mount("/folk.mp3");
    // A server knows of its relays a second after it answers.
    relay.wait_for_mount("/folk.mp3");
    let listener = MountListener::come(relay.port(), "/folk.mp3");
    wait_for("sound", || listener.byte_count() > 60_000);
    let heard = listener.leave();
    let (_, length) = heard.longest_silence();
    assert!(length > Duration::from_secs(2), "{length:?}");
    assert!(heard.peak() > 0.01, "{}", heard.peak());
    end_gently(&mut ceilid);
}
