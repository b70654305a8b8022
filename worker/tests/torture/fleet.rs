//! The workers of a run: started, killed, stopped and hung as the programme says, and what each of them left behind.
//!
//! Deliberately no opinion on what is right: it tells how each life ended, the verdict judges.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    chance::Chance,
    material::{self, Stream},
    process::{self, Process},
    programme::{CONSUMERS, PRODUCERS, SESSION},
};

/// Longest time from SIGTERM to the end of a process, and some for a busy machine.
const STOP: Duration = Duration::from_secs(30);

/// Names and places of a run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The broker's address.
    pub(crate) broker: String,
    /// The source topic.
    pub(crate) orders: String,
    /// The dead-letter topic.
    pub(crate) dead_letters: String,
    /// The consumer group.
    pub(crate) group: String,
    /// Reports, pipes and logs.
    pub(crate) folder: PathBuf,
}

/// A role in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Producer(usize),
    Consumer(usize),
    DeadLetters,
}

/// A process of a role, from its start to its end.
struct Life {
    name: String,
    process: Process,
    report: PathBuf,
}

/// What is left of a process.
#[derive(Debug)]
pub(crate) struct Past {
    /// `producer-0.3`: the third process of that role; of producers also the name of its orders.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Its exit code; `None` where it was killed.
    pub(crate) code: Option<i32>,
    /// Its report; `None` where it was killed, or ended without one.
    pub(crate) report: Option<Value>,
    /// Of producers: orders acknowledged shortly before it was killed. Of consumers: records handled.
    pub(crate) counted: u64,
    /// Most memory it had, in bytes.
    pub(crate) most_memory: u64,
}

/// All processes.
pub(crate) struct Fleet {
    place: Place,
    seed: u64,
    chance: Chance,
    /// Orders a second of each producer.
    rate: u32,
    /// What consumers do with orders.
    handling: Vec<String>,
    lives: Vec<(Role, Option<Life>)>,
    started: u32,
    /// Those that ended.
    pub(crate) past: Vec<Past>,
}

impl Fleet {
    /// Starts everybody.
    pub(crate) fn start(place: Place, seed: u64, rate: u32, handling: &[String]) -> Fleet {
        let producers = (0..PRODUCERS).map(Role::Producer);
        let roles = (0..CONSUMERS).map(Role::Consumer).chain([Role::DeadLetters]).chain(producers);
        let mut fleet = Fleet {
            place,
            seed,
            chance: Chance::new(seed, 9),
            rate,
            handling: handling.to_vec(),
            lives: roles.clone().map(|role| (role, None)).collect(),
            started: 0,
            past: Vec::new(),
        };
        roles.for_each(|role| fleet.launch(role));
        fleet
    }

    /// Starts a role's next process.
    pub(crate) fn launch(&mut self, role: Role) {
        self.started += 1;
        let name = match role {
            Role::Producer(number) => format!("producer-{number}.{}", self.started),
            Role::Consumer(number) => format!("consumer-{number}.{}", self.started),
            Role::DeadLetters => format!("dead-letters.{}", self.started),
        };
        let report = self.place.folder.join(format!("{name}.json"));
        let mut arguments = match role {
            Role::Producer(_) => self.producing(),
            Role::Consumer(_) => self.consuming(),
            Role::DeadLetters => self.reading(),
        };
        let common = [
            "--bootstrap-servers",
            &self.place.broker,
            "--topic",
            &self.place.orders,
            "--group-id",
            &self.place.group,
            "--admin-address",
            "127.0.0.1:0",
            "--report",
            report.to_str().expect("the folder's name is UTF-8"),
        ];
        arguments.extend(common.map(str::to_owned));
        let process = match role {
            Role::Producer(_) => self.fed(&name, &arguments),
            Role::Consumer(_) | Role::DeadLetters => {
                Process::worker(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
            }
        };
        *self.life(role) = Some(Life { name, process, report });
    }

    fn producing(&self) -> Vec<String> {
        ["produce", "--input", "-", "--rate", &self.rate.to_string()].map(str::to_owned).to_vec()
    }

    fn consuming(&mut self) -> Vec<String> {
        let session = format!("session.timeout.ms={}", SESSION.as_millis());
        let checkpoints = format!("{}ms", self.chance.between(500, 5_000));
        let fixed = ["consume", "--checkpoint-interval", &checkpoints, "--client-config", &session];
        let group = ["--client-config", "heartbeat.interval.ms=2000"];
        [&fixed[..], &group].concat().into_iter().map(str::to_owned).chain(self.handling.clone()).collect()
    }

    fn reading(&self) -> Vec<String> {
        let session = format!("session.timeout.ms={}", SESSION.as_millis());
        ["dead-letters", "--client-config", &session].map(str::to_owned).to_vec()
    }

    /// A producer whose standard input is a pipe with a stream of orders.
    fn fed(&self, name: &str, arguments: &[String]) -> Process {
        let pipe = self.place.folder.join(format!("{name}.pipe"));
        material::pour(Stream::new(self.seed, name), &pipe);
        let mut command = std::process::Command::new("bash");
        command.args(["-c", "exec \"${@:2}\" <\"$1\"", "bash"]).arg(pipe);
        Process::start(command.arg(env!("CARGO_BIN_EXE_worker")).args(arguments))
    }

    fn life(&mut self, role: Role) -> &mut Option<Life> {
        let (_, life) = self.lives.iter_mut().find(|(known, _)| *known == role).expect("all roles are there");
        life
    }

    fn process(&mut self, role: Role) -> &Process {
        &self.life(role).as_ref().expect("it runs").process
    }

    /// kill -9, while it runs.
    pub(crate) fn kill(&mut self, role: Role) {
        let counted = self.counted(role);
        let most_memory = memory(self.process(role).child.id());
        self.process(role).crash();
        self.bury(role, counted, most_memory);
    }

    /// SIGTERM; returns when it has ended.
    pub(crate) fn stop(&mut self, role: Role) {
        let counted = self.counted(role);
        let most_memory = memory(self.process(role).child.id());
        self.process(role).terminate();
        self.bury(role, counted, most_memory);
    }

    /// SIGSTOP.
    pub(crate) fn suspend(&mut self, role: Role) {
        self.process(role).suspend();
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self, role: Role) {
        self.process(role).resume();
    }

    fn bury(&mut self, role: Role, counted: u64, most_memory: u64) {
        let Life { name, process, report } = self.life(role).take().expect("it runs");
        let ended = process.wait_within(STOP);
        let log = self.place.folder.join(format!("{name}.log"));
        fs::write(&log, format!("{}\n{}\n", ended.stdout, ended.stderr)).expect("the folder takes files");
        let report = fs::read_to_string(report).ok().map(|text| serde_json::from_str(&text).expect("reports are JSON"));
        self.past.push(Past { name, role, code: ended.code, report, counted, most_memory });
    }

    /// What a process has done so far, by its own word.
    fn counted(&mut self, role: Role) -> u64 {
        let address = self.process(role).admin_address();
        match role {
            Role::Producer(_) => process::status(&address)["acknowledged"].as_u64().unwrap_or(0),
            Role::Consumer(_) => {
                let of = |outcome| {
                    let series = format!("orderpipeline_consumer_orders_total{{outcome=\"{outcome}\"}}");
                    process::metric(&address, &series).map_or(0, |count| count as u64)
                };
                of("succeeded") + of("dead_lettered") + of("skipped")
            }
            Role::DeadLetters => 0,
        }
    }

    /// Who has ended without being asked to; each is named once, and not started again.
    pub(crate) fn deserters(&mut self) -> Vec<String> {
        let roles: Vec<Role> = self.lives.iter().map(|(role, _)| *role).collect();
        let mut found = Vec::new();
        for role in roles {
            let life = self.life(role);
            if life.as_mut().is_some_and(|life| life.process.poll().is_some()) {
                self.bury(role, 0, 0);
                let past = self.past.last().expect("it was buried just now");
                found.push(format!("{} ended by itself with {:?}", past.name, past.code));
            }
        }
        found
    }

    /// Stops all processes that `chosen` picks, one after the other.
    pub(crate) fn stop_all(&mut self, chosen: impl Fn(Role) -> bool) {
        let living = self.lives.iter().filter(|(role, life)| life.is_some() && chosen(*role));
        let roles: Vec<Role> = living.map(|(role, _)| *role).collect();
        roles.into_iter().for_each(|role| self.stop(role));
    }
}

impl Drop for Fleet {
    /// What is still alive when a run is broken off: its log says why.
    fn drop(&mut self) {
        for life in self.lives.iter().filter_map(|(_, life)| life.as_ref()) {
            let text = life.process.wait_for("its lines", |lines| Some(lines.join("\n")));
            fs::write(self.place.folder.join(format!("{}.log", life.name)), text).ok();
        }
    }
}

/// The most memory a process ever had, in bytes; 0 where it has ended.
fn memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
