//! Starting a gateway, and holding it.
//!
//! The same start serves the command line and programs that embed a gateway, tests among them: many can run in one
//! process, each with a control thread, cores and sockets of its own.

use std::ffi::OsString;
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc as standard;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::Failure;
use super::admin::{self, Health};
use super::certificates::{Certificates, Strictness};
use super::cores::{self, Cores, Start};
use super::keeper::Keeper;
use super::logwriter::LogWriter;
use super::reload::Reloaded;
use super::say::{Say, wall};
use super::signals::Signals;
use super::sockets;
use super::thread::{Books, Command, Control, Reload, open_log, tell};
use crate::plan::{self, Loaded};
use crate::shell::mail::SharedPlan;
use crate::shell::uring::Preference;
use crate::shell::worker;

/// The environment variable that chooses how cores do I/O: `epoll`, or `auto` as without it.
pub const DRIVER_VARIABLE: &str = "RINGWAY_DRIVER";

/// How a gateway is run, beside its configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// How cores do I/O.
    pub driver: Preference,
    /// Gives freed memory of the calling thread back to the kernel: the allocator's own call for that.
    pub release_memory: fn(),
    /// Cores are pinned to CPUs. Programs with more to do than this gateway may not want that.
    pub pins: bool,
    /// SIGTERM, SIGINT and SIGHUP are this gateway's.
    pub heeds_signals: bool,
    /// Where it says what happens.
    pub say: Say,
    /// Starts a core; only tests of this floor put a stand-in here.
    pub(super) start: Start,
}

impl Options {
    /// For a gateway in a program that is more than it: silent, and that program's CPUs and signals are left alone.
    ///
    /// # Errors
    /// [`Failure::Driver`]: [`DRIVER_VARIABLE`] names none.
    pub fn embedded() -> Result<Self, Failure> {
        let driver = driver(std::env::var_os(DRIVER_VARIABLE).unwrap_or_default())?;
        Ok(Self {
            driver,
            release_memory: || {},
            pins: false,
            heeds_signals: false,
            say: Say::to_nobody(),
            start: worker::start,
        })
    }

    /// For a gateway that is all its process does.
    ///
    /// # Errors
    /// As [`Options::embedded`].
    pub fn alone() -> Result<Self, Failure> {
        let options = Self::embedded()?;
        Ok(Self { pins: true, heeds_signals: true, say: Say::to_standard_error(), ..options })
    }
}

fn driver(named: OsString) -> Result<Preference, Failure> {
    match named.to_str() {
        Some("" | "auto") => Ok(Preference::Auto),
        Some("epoll") => Ok(Preference::Epoll),
        _ => Err(Failure::Driver(named)),
    }
}

/// Where a configuration comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A file and what it includes; read anew at each reload.
    File(PathBuf),
    /// Text, and the name that complaints call it by.
    Text {
        /// Shown where a file's name would be.
        name: String,
        /// The configuration.
        text: String,
    },
}

impl Source {
    /// Text without a file.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { name: "configuration".to_owned(), text: text.into() }
    }

    /// Reads and compiles it.
    ///
    /// # Errors
    /// [`Failure::Plan`]: all that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let loaded = match self {
            Self::File(path) => plan::load(path),
            Self::Text { name, text } => plan::load_text(name, text),
        };
        loaded.map_err(Failure::Plan)
    }
}

/// A configuration that could be put in force.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) loaded: Loaded,
    pub(super) certificates: Certificates,
}

impl Ready {
    /// Reads and compiles `source`, and the files of certificates that it names.
    ///
    /// # Errors
    /// [`Failure::Plan`]: all that is wrong with either.
    pub(super) fn make(source: &Source, earlier: Option<&Certificates>) -> Result<Self, Failure> {
        let loaded = source.load()?;
        let certificates = Certificates::make(&loaded.plan, &loaded.mentions, earlier, Strictness::Strict, wall())
            .map_err(Failure::Plan)?;
        Ok(Self { loaded, certificates })
    }
}

/// How a gateway ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Everything in flight was finished.
    Drained,
    /// A core did not end within the drain's time and a grace.
    Cut,
    /// All cores were lost.
    Lost,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drained => "drained",
            Self::Cut => "a worker did not end in time",
            Self::Lost => "all workers were lost",
        })
    }
}

/// A gateway that runs. Dropping it ends it at once, without waiting for what is in flight.
#[derive(Debug)]
pub struct Gateway {
    started: Started,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<End>>,
}

/// What is known once it runs.
#[derive(Debug)]
struct Started {
    listeners: Vec<(String, SocketAddr)>,
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// Starts a gateway; when this returns, it serves.
    ///
    /// # Errors
    /// Any [`Failure`] of the configuration or of the machine; nothing is left running.
    pub fn start(source: Source, options: Options) -> Result<Self, Failure> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (tell, told) = standard::sync_channel(1);
        let sender = commands.clone();
        let body = move || live(source, &options, sender, inbox, &tell);
        let thread =
            std::thread::Builder::new().name("ringway-control".to_owned()).spawn(body).map_err(Failure::Thread)?;
        let ended = || Failure::Thread(std::io::Error::other("the control thread ended at its start"));
        let started = told.recv().map_err(|_| ended())??;
        Ok(Self { started, commands, thread: Some(thread) })
    }

    /// The address of a listener; where the configuration says port 0, with the port that the kernel gave.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.started.listeners.iter().find(|(name, _)| name == listener).map(|(_, address)| *address)
    }

    /// The admin address, when there is one.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.started.admin
    }

    /// Reads the configuration anew and returns when every core serves by it.
    ///
    /// # Errors
    /// Why it is not in force: then the earlier one still is.
    pub fn reload(&self) -> Result<Reloaded, Failure> {
        self.ask_reload(None)
    }

    /// As [`Gateway::reload`], from another source.
    ///
    /// # Errors
    /// As [`Gateway::reload`].
    pub fn reload_from(&self, source: Source) -> Result<Reloaded, Failure> {
        self.ask_reload(Some(source))
    }

    fn ask_reload(&self, source: Option<Source>) -> Result<Reloaded, Failure> {
        let (reply, result) = oneshot::channel();
        self.commands.send(Command::Reload(source, Some(reply))).map_err(|_| Failure::Draining)?;
        result.blocking_recv().map_err(|_| Failure::Draining)?
    }

    /// The metrics page, as `/metrics` would show it; `None` when the gateway is gone.
    #[must_use]
    pub fn metrics(&self) -> Option<String> {
        let (reply, page) = oneshot::channel();
        self.commands.send(Command::Scrape(reply)).ok()?;
        page.blocking_recv().ok()
    }

    /// Begins to drain within the configured time. Returns at once; [`Gateway::wait`] waits for the end.
    pub fn begin_drain(&self) {
        // When the loop is gone, it has ended already.
        drop(self.commands.send(Command::Drain(None)));
    }

    /// Stops accepting, finishes what is in flight within the configured time, and ends.
    pub fn drain(self) -> End {
        self.begin_drain();
        self.wait()
    }

    /// Waits until it ended: by a signal, or because all cores were lost.
    pub fn wait(mut self) -> End {
        self.join().unwrap_or(End::Lost)
    }

    fn join(&mut self) -> Option<End> {
        self.thread.take()?.join().ok()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.commands.send(Command::Drain(Some(Duration::ZERO))));
        self.join();
    }
}

/// The control thread's life.
fn live(
    source: Source, options: &Options, commands: mpsc::UnboundedSender<Command>,
    inbox: mpsc::UnboundedReceiver<Command>, tell: &standard::SyncSender<Result<Started, Failure>>,
) -> End {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return refuse(tell, Failure::Thread(source)),
    };
    let end = runtime.block_on(async {
        match boot(source, options, commands) {
            Ok((control, signals, started)) => {
                // The receiver waits in `Gateway::start`.
                drop(tell.send(Ok(started)));
                control.serve(inbox, signals).await
            }
            Err(failure) => refuse(tell, failure),
        }
    });
    // A plan that is still being compiled is wanted by nobody.
    runtime.shutdown_background();
    end
}

fn refuse(tell: &standard::SyncSender<Result<Started, Failure>>, failure: Failure) -> End {
    drop(tell.send(Err(failure)));
    End::Lost
}

/// Everything that must succeed before the first connection is accepted, cheapest first.
fn boot(
    source: Source, options: &Options, commands: mpsc::UnboundedSender<Command>,
) -> Result<(Control, Signals, Started), Failure> {
    let say = options.say.clone();
    let Ready { loaded: Loaded { plan, warnings, .. }, certificates } = Ready::make(&source, None)?;
    warnings.iter().chain(&certificates.warnings).for_each(|warning| tell(&say, warning));
    let mut places = cores::places(&plan.server, &cores::allowed_cpus())?;
    if !options.pins {
        places.fill(None);
    }
    let target = open_log(plan.access_log.as_ref())?;
    let admin = plan.admin.as_ref().map(|admin| listen_admin(admin.address)).transpose()?;
    let (sockets, addresses) =
        sockets::bind(&plan.listeners, &cores::steered(&plan.server, &places)).map_err(Failure::Listen)?;
    let signals = if options.heeds_signals { Signals::heed().map_err(Failure::Thread)? } else { Signals::Ignored };
    let plan = SharedPlan::new(plan);
    let cores = Cores::start(
        &plan,
        &certificates.keyring,
        &places,
        sockets,
        options.driver,
        options.release_memory,
        options.start,
    )?;
    let log = LogWriter::start(cores.links(), target, say.clone()).map_err(Failure::Thread)?;
    let (health, watch) = watch::channel(Health::Ready);
    let listeners = plan.listeners.iter().map(|listener| listener.name.clone()).zip(addresses).collect();
    let started = Started { listeners, admin: admin.as_ref().map(|(_, address)| *address) };
    if let Some((socket, _)) = admin {
        serve_admin(socket, admin::pages(commands.clone(), watch));
    }
    tell_started(&say, &started, &cores);
    let (books, reload, keeper) = (Books::default(), Reload::default(), Keeper::new(certificates));
    let control = Control { plan, source, cores, log, say, health, commands, books, reload, keeper, drain: None };
    Ok((control, signals, started))
}

fn listen_admin(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr), Failure> {
    let listen = || {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr()?;
        Ok((tokio::net::TcpListener::from_std(socket)?, bound))
    };
    listen().map_err(|source| Failure::Admin { address, source })
}

fn serve_admin(socket: tokio::net::TcpListener, pages: axum::Router) {
    tokio::spawn(async move {
        // It never ends by itself; it is dropped with the runtime.
        drop(axum::serve(socket, pages).await);
    });
}

fn tell_started(say: &Say, started: &Started, cores: &Cores) {
    for core in cores.iter() {
        let cpu = core.cpu.map_or("any".to_owned(), |cpu| cpu.to_string());
        say.info("worker runs", &[("worker", &core.link.core.index()), ("cpu", &cpu), ("driver", &core.driver)]);
    }
    for (name, address) in &started.listeners {
        say.info("listening", &[("listener", name), ("address", address)]);
    }
    if let Some(address) = &started.admin {
        say.info("admin listening", &[("address", address)]);
    }
    say.info("ready", &[("version", &env!("CARGO_PKG_VERSION"))]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

    fn options(start: Start) -> Options {
        Options {
            driver: Preference::Auto,
            release_memory: || {},
            pins: false,
            heeds_signals: false,
            say: Say::to_memory(),
            start,
        }
    }

    /// Two workers, one listener, an admin address and these routes.
    fn source(routes: &[&str]) -> Source {
        let mut text = format!("{ADMIN}[server]\nworkers = 2\n[listeners.web]\naddress = \"127.0.0.1:0\"\n");
        for route in routes {
            text += &format!("[routes.{route}]\npath = \"/{route}\"\nrespond = {{ status = 200 }}\n");
        }
        Source::text(text)
    }

    fn start(core: Start) -> Gateway {
        Gateway::start(source(&["a"]), options(core)).unwrap()
    }

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_gateway_tells_where_it_listens_and_says_so() {
        let options = options(testing::quiet_core);
        let gateway = Gateway::start(source(&["a"]), options.clone()).unwrap();
        let (address, admin) = (gateway.address("web").unwrap(), gateway.admin_address().unwrap());
        assert_ne!(address.port(), 0);
        assert_eq!(gateway.address("other"), None);
        TcpStream::connect(address).unwrap();
        let said = options.say.said();
        for line in [
            "info  worker runs worker=1 cpu=any driver=\"a stand-in\"".to_owned(),
            format!("info  listening listener=web address={address}"),
            format!("info  admin listening address={admin}"),
        ] {
            assert!(said.contains(&line), "{line} in {said:#?}");
        }
    }

    #[test]
    fn the_admin_address_tells_health_and_metrics_and_nothing_else() {
        let gateway = start(testing::quiet_core);
        let admin = gateway.admin_address().unwrap();
        assert!(get(admin, "/healthz").starts_with("HTTP/1.1 200 "));
        assert!(get(admin, "/readyz").starts_with("HTTP/1.1 200 "));
        let metrics = get(admin, "/metrics");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
        assert!(metrics.contains("\nringway_workers 2\n"), "{metrics}");
        let missing = get(admin, "/secrets");
        assert!(missing.starts_with("HTTP/1.1 404 ") && missing.contains("application/problem+json"), "{missing}");
    }

    #[test]
    fn a_scrape_holds_what_all_cores_counted_up_to_it() {
        let page = start(testing::quiet_core).metrics().unwrap();
        for line in [
            r#"ringway_requests_total{listener="web",route="-",method="GET",code="4xx"} 2"#,
            r#"ringway_connections{listener="web",worker="0"} 1"#,
            r#"ringway_connections{listener="web",worker="1"} 1"#,
            "ringway_config_generation 1",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }

    #[test]
    fn a_core_that_does_not_answer_holds_no_scrape_up() {
        let page = start(testing::mute_core).metrics().unwrap();
        assert!(page.contains("ringway_workers 2") && !page.contains("ringway_requests_total{"), "{page}");
    }

    #[test]
    fn a_reload_is_done_when_every_core_serves_by_the_new_plan() {
        let gateway = start(testing::quiet_core);
        let reloaded = gateway.reload_from(source(&["b", "c"])).unwrap();
        assert_eq!((reloaded.generation, reloaded.routes.added, reloaded.routes.removed), (2, 2, 1));
        assert_eq!(gateway.reload().unwrap().generation, 3);
        let page = gateway.metrics().unwrap();
        // Two cores counted one exchange by each of three plans.
        assert!(page.contains(r#"route="-",method="GET",code="4xx"} 6"#), "{page}");
        assert!(page.contains("ringway_config_generation 3"), "{page}");
    }

    #[test]
    fn a_refused_reload_leaves_the_earlier_plan_in_force_and_shows() {
        let options = options(testing::quiet_core);
        let gateway = Gateway::start(source(&["a"]), options.clone()).unwrap();
        let moved = Source::text("[listeners.web]\naddress = \"127.0.0.1:0\"\n[server]\nworkers = 2\n");
        let failure = gateway.reload_from(moved).unwrap_err();
        assert_eq!(failure.to_string(), "needs a restart: admin.address changed from 127.0.0.1:0 to none");
        let page = gateway.metrics().unwrap();
        assert!(page.contains("ringway_config_last_reload_success 0"), "{page}");
        assert!(page.contains("ringway_config_generation 1"), "{page}");
        assert!(options.say.said().iter().any(|line| line.starts_with("error reload refused")), "{:?}", options.say);
        gateway.reload().unwrap();
        assert!(gateway.metrics().unwrap().contains("ringway_config_last_reload_success 1"));
    }

    #[test]
    fn all_complaints_about_a_bad_reload_are_in_the_log_each_with_its_place() {
        let options = options(testing::quiet_core);
        let gateway = Gateway::start(source(&["a"]), options.clone()).unwrap();
        let bad = Source::Text { name: "edited.toml".to_owned(), text: "[listener.web]\n[servers]\n".to_owned() };
        assert!(matches!(gateway.reload_from(bad), Err(Failure::Plan(_))));
        let said = options.say.said();
        for place in ["edited.toml:1:", "edited.toml:2:"] {
            let begin = format!("error configuration is wrong place={place}");
            assert!(said.iter().any(|line| line.starts_with(&begin)), "{begin} in {said:#?}");
        }
    }

    #[test]
    fn a_bad_configuration_starts_nothing() {
        let failure = Gateway::start(Source::text("[routes.a]\n"), options(testing::quiet_core)).unwrap_err();
        assert!(matches!(failure, Failure::Plan(_)), "{failure}");
    }

    #[test]
    fn a_drain_ends_when_the_cores_have_nothing_left_and_the_log_is_whole() {
        let folder = std::env::temp_dir().join(format!("ringway-run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("access.log");
        let Source::Text { text, .. } = source(&["a"]) else { panic!("made of text") };
        let logged = Source::text(format!("{text}[access_log]\nfile = {file:?}\n"));
        let gateway = Gateway::start(logged, options(testing::quiet_core)).unwrap();
        assert_eq!(gateway.drain(), End::Drained);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "the last line\nthe last line\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn cores_that_all_die_end_the_gateway() {
        let options = options(testing::dying_core);
        let gateway = Gateway::start(source(&["a"]), options.clone()).unwrap();
        assert_eq!(gateway.wait(), End::Lost);
        let lost = options.say.said().into_iter().filter(|line| line.starts_with("error a worker ended")).count();
        assert_eq!(lost, 2);
    }

    #[test]
    fn a_driver_that_there_is_not_is_refused() {
        assert_eq!(driver(OsString::new()).unwrap(), Preference::Auto);
        assert_eq!(driver("epoll".into()).unwrap(), Preference::Epoll);
        assert_eq!(
            driver("kqueue".into()).unwrap_err().to_string(),
            "RINGWAY_DRIVER says kqueue; it may be \"epoll\" or \"auto\""
        );
    }
}
