//! The gateway as a process of its own: the real binary, for signals, memory and what it prints.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Client, Watched, eventually};

/// A running `ringway run`, killed when dropped.
pub struct Process {
    child: Child,
    said: Arc<Watched<Said>>,
    config: PathBuf,
    _directory: Directory,
}

/// What the process wrote to its standard error.
#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    is_over: bool,
}

impl Process {
    /// Starts the gateway with this configuration; its listener `web` is up when this returns.
    pub fn run(config: &str) -> Self {
        Self::spawn(config, Command::new(binary()))
    }

    /// Its number.
    pub fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// As [`Process::run`], with at most `count` file descriptors.
    pub fn run_with_descriptors(config: &str, count: usize) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("ulimit -n {count}; exec \"$0\" \"$@\"")).arg(binary());
        Self::spawn(config, shell)
    }

    fn spawn(config: &str, mut command: Command) -> Self {
        let directory = Directory::new();
        let path = directory.path().join("ringway.toml");
        fs::write(&path, config).expect("the directory takes files");
        let mut child = command
            .arg("run")
            .arg(&path)
            // Huge pages would make resident memory a count of 2 MiB steps, which no bound of ours is.
            .env("MIMALLOC_ALLOW_THP", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built with the tests");
        let stderr = child.stderr.take().expect("it is piped");
        let said = Arc::new(Watched::<Said>::default());
        let listener = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                listener.change(|said| said.lines.push(line));
            }
            listener.change(|said| said.is_over = true);
        });
        let process = Self { child, said, config: path, _directory: directory };
        process.address("web");
        process
    }

    /// Where the listener of this name listens.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.address_of(&format!("listening listener={listener} "))
    }

    /// The address in the first line on standard error that contains `part`.
    pub fn address_of(&self, part: &str) -> SocketAddr {
        let line = self.await_line(part);
        let address = line.split("address=").nth(1).expect("the line says where").split(' ').next();
        address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    /// A client of the listener `web`.
    pub fn client(&self) -> Client {
        Client::connect(self.address("web"))
    }

    /// Waits for a line on standard error that contains `part`.
    pub fn await_line(&self, part: &str) -> String {
        self.await_lines(part, 1).pop().expect("one line was found")
    }

    /// Waits for `count` lines that contain `part`.
    pub fn await_lines(&self, part: &str, count: usize) -> Vec<String> {
        let found = self.said.wait_for(|said| {
            let lines: Vec<String> = said.lines.iter().filter(|line| line.contains(part)).cloned().collect();
            (lines.len() >= count).then_some(Some(lines)).or_else(|| said.is_over.then_some(None))
        });
        found
            .flatten()
            .unwrap_or_else(|| panic!("{part:?} was not said: {:#?}", self.said.change(|said| said.lines.clone())))
    }

    /// Replaces the configuration file.
    pub fn configure(&self, config: &str) {
        fs::write(&self.config, config).expect("the file is ours");
    }

    /// Sends a signal by name: `TERM`, `HUP`, `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("there is a kill(1)").success(), "the process is gone");
    }

    /// Waits until the process has ended.
    pub fn await_exit(&mut self) -> ExitStatus {
        eventually("the process's end", || self.child.try_wait().expect("it is our child"))
    }

    /// Resident memory of the process in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells the resident size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, as the test wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that `RINGWAY_BINARY` names, a released one for instance; else the one that was built with the tests.
fn binary() -> PathBuf {
    std::env::var_os("RINGWAY_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_ringway").into(), PathBuf::from)
}

/// A directory for one test, removed with all that is in it when dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A fresh one.
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("cargo gives tests a directory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
