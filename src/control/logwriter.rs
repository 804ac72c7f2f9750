//! Writes the access log: one thread takes the lines that the cores collected and appends them to the file.
//!
//! A core hands its lines over and never waits; when this thread is behind, the core drops lines and counts them. The
//! file is opened again on request, so that a log can be rotated by renaming it and sending SIGHUP.
#![expect(clippy::disallowed_types, reason = "the thread's counters are read by control")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::say::{Say, wall};
use crate::plan::AccessLog;
use crate::shell::mail::SharedLink;
use crate::words::limits::LOG_BUFFER_BYTES;

/// How long lines wait when there are few of them.
const PAUSE: Duration = Duration::from_millis(50);
/// How long they wait when a core's buffer was filling up.
const PAUSE_BUSY: Duration = Duration::from_millis(5);
/// Errors of the file are said at most this often.
const SAY_EVERY_MS: u64 = 60_000;

/// What the writer counted.
#[derive(Debug, Default)]
pub struct Written {
    /// Bytes that reached the file.
    pub bytes: AtomicU64,
    /// Writes that failed; their lines are lost.
    pub errors: AtomicU64,
}

/// The writer's thread as control holds it. Dropping it without [`LogWriter::finish`] lets the thread end by itself.
#[derive(Debug)]
pub struct LogWriter {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
    written: Arc<Written>,
}

enum Order {
    /// From now on to this target; `None` throws lines away.
    Switch(Option<Target>),
    /// Open the same file again.
    Reopen,
    /// Write what is there and end.
    Finish,
}

/// Where the lines go.
#[derive(Debug)]
pub struct Target {
    /// The file's name; `None` for standard output.
    path: Option<PathBuf>,
    out: Out,
}

#[derive(Debug)]
enum Out {
    File(File),
    StandardOutput(io::Stdout),
}

impl Target {
    /// Opens the place that `log` names.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(log: &AccessLog) -> io::Result<Self> {
        let out = match &log.file {
            Some(path) => Out::File(append(path)?),
            None => Out::StandardOutput(io::stdout()),
        };
        Ok(Self { path: log.file.clone(), out })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match &mut self.out {
            Out::File(file) => file.write_all(lines),
            Out::StandardOutput(out) => {
                let mut out = out.lock();
                out.write_all(lines)?;
                out.flush()
            }
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.out = Out::File(append(path)?);
        }
        Ok(())
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl LogWriter {
    /// Starts the thread that writes what `links` collect to `target`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(links: Vec<SharedLink>, target: Option<Target>, say: Say) -> io::Result<Self> {
        let (orders, inbox) = channel();
        let written = Arc::<Written>::default();
        let spares = links.iter().map(|_| Vec::new()).collect();
        let desk = Desk { links, spares, target, say, written: Arc::clone(&written), is_torn: false, said_ms: None };
        let thread = std::thread::Builder::new().name("ringway-log".to_owned()).spawn(move || desk.work(&inbox))?;
        Ok(Self { orders, thread, written })
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Writes what was collected to the present target, and all that comes later to `target`.
    pub fn switch(&self, target: Option<Target>) {
        self.order(Order::Switch(target));
    }

    /// Opens the file again, after somebody renamed it.
    pub fn reopen(&self) {
        self.order(Order::Reopen);
    }

    /// Writes what was collected, then ends. Returns when it is done.
    pub fn finish(self) {
        self.order(Order::Finish);
        // The thread only ends early by a panic, which it has reported itself.
        drop(self.thread.join());
    }

    fn order(&self, order: Order) {
        // It fails only when the thread has ended, and then nothing can be written any more.
        drop(self.orders.send(order));
    }
}

/// The thread's own state.
struct Desk {
    links: Vec<SharedLink>,
    /// One buffer per link, exchanged for the link's own, so that neither side allocates.
    spares: Vec<Vec<u8>>,
    target: Option<Target>,
    say: Say,
    written: Arc<Written>,
    /// The last write failed and may have left half a line.
    is_torn: bool,
    /// When an error was last said.
    said_ms: Option<u64>,
}

impl Desk {
    fn work(mut self, inbox: &Receiver<Order>) {
        let mut pause = PAUSE;
        loop {
            let order = match inbox.recv_timeout(pause) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Order::Finish),
            };
            let most = self.write_all();
            pause = if most > LOG_BUFFER_BYTES / 8 { PAUSE_BUSY } else { PAUSE };
            match order {
                None => {}
                Some(Order::Switch(target)) => self.target = target,
                Some(Order::Reopen) => self.reopen(),
                Some(Order::Finish) => return,
            }
        }
    }

    /// Writes what every core collected; returns the most that one had.
    fn write_all(&mut self) -> usize {
        let mut most = 0;
        for index in 0..self.links.len() {
            let mut lines = std::mem::take(&mut self.spares[index]);
            self.links[index].take_log(&mut lines);
            most = most.max(lines.len());
            self.write(&lines);
            self.spares[index] = lines;
        }
        most
    }

    fn write(&mut self, lines: &[u8]) {
        let Some(target) = self.target.as_mut().filter(|_| !lines.is_empty()) else { return };
        let mended = if self.is_torn { target.write(b"\n") } else { Ok(()) };
        match mended.and_then(|()| target.write(lines)) {
            Ok(()) => {
                self.is_torn = false;
                self.written.bytes.fetch_add(lines.len() as u64, Relaxed);
            }
            Err(error) => {
                self.is_torn = true;
                self.complain("access log cannot be written; its lines are lost", &error);
            }
        }
    }

    fn reopen(&mut self) {
        match self.target.as_mut().map_or(Ok(()), Target::reopen) {
            Ok(()) => self.is_torn = false,
            Err(error) => self.complain("access log cannot be opened again; the old file is kept", &error),
        }
    }

    fn complain(&mut self, event: &str, error: &io::Error) {
        self.written.errors.fetch_add(1, Relaxed);
        let now = wall().as_millis();
        if self.said_ms.is_none_or(|said| now.saturating_sub(said) >= SAY_EVERY_MS) {
            self.said_ms = Some(now);
            let path = self.target.as_ref().and_then(|target| target.path.as_ref());
            let file = path.map_or("standard output".into(), |path| path.to_string_lossy());
            self.say.error(event, &[("file", &file), ("error", error)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::LogFormat;
    use crate::shell::mail::Link;
    use crate::words::ids::CoreId;
    use std::path::Path;

    fn target(path: &Path) -> Option<Target> {
        Some(Target::open(&AccessLog { file: Some(path.to_owned()), format: LogFormat::Json }).unwrap())
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringway-logwriter-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn lines_of(path: &Path) -> Vec<String> {
        let mut lines: Vec<String> = std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_line_handed_over_before_the_end_is_in_the_file() {
        let file = folder("end").join("access.log");
        let links: Vec<_> = (0..2).map(|core| Link::new(CoreId::new(core))).collect();
        let writer = LogWriter::start(links.clone(), target(&file), Say::to_memory()).unwrap();
        for round in 0..50 {
            for (core, link) in links.iter().enumerate() {
                assert!(link.push_log(&mut format!("core {core} round {round:02}\n").into_bytes()));
            }
        }
        writer.finish();
        let expected: Vec<String> =
            (0..2).flat_map(|core| (0..50).map(move |round| format!("core {core} round {round:02}"))).collect();
        assert_eq!(lines_of(&file), expected);
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_renamed_log_is_begun_anew_when_it_is_opened_again() {
        let folder = folder("rename");
        let (file, old) = (folder.join("access.log"), folder.join("access.log.1"));
        let link = Link::new(CoreId::new(0));
        let writer = LogWriter::start(vec![SharedLink::clone(&link)], target(&file), Say::to_memory()).unwrap();
        assert!(link.push_log(&mut b"before\n".to_vec()));
        std::fs::rename(&file, &old).unwrap();
        writer.reopen();
        // The line after is pushed only when the new file is there: what was collected before belongs to the old one.
        while !file.exists() {
            std::thread::yield_now();
        }
        assert!(link.push_log(&mut b"after\n".to_vec()));
        writer.finish();
        assert_eq!((lines_of(&old), lines_of(&file)), (vec!["before".to_owned()], vec!["after".to_owned()]));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_switch_writes_what_was_collected_to_the_old_file() {
        let folder = folder("switch");
        let (first, second) = (folder.join("first.log"), folder.join("second.log"));
        let link = Link::new(CoreId::new(0));
        let writer = LogWriter::start(vec![SharedLink::clone(&link)], target(&first), Say::to_memory()).unwrap();
        assert!(link.push_log(&mut b"one\n".to_vec()));
        writer.switch(target(&second));
        writer.finish();
        assert_eq!((lines_of(&first), lines_of(&second)), (vec!["one".to_owned()], Vec::new()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_disk_is_counted_and_said_once() {
        let say = Say::to_memory();
        let link = Link::new(CoreId::new(0));
        let full = target(Path::new("/dev/full"));
        let desk = Desk {
            links: vec![SharedLink::clone(&link)],
            spares: vec![Vec::new()],
            target: full,
            say: say.clone(),
            written: Arc::default(),
            is_torn: false,
            said_ms: None,
        };
        let written = Arc::clone(&desk.written);
        let mut desk = desk;
        for _ in 0..3 {
            assert!(link.push_log(&mut b"lost\n".to_vec()));
            desk.write_all();
        }
        assert_eq!((written.errors.load(Relaxed), written.bytes.load(Relaxed)), (3, 0));
        assert_eq!(say.said().len(), 1, "{:?}", say.said());
    }
}
