//! From the files that a plan names to the keyring that cores speak TLS with.
//!
//! Made with each plan, and again when the files change. What cannot be used is complained about at the place where the
//! configuration names it. While a gateway serves, a file that went bad does not take the good one's place.
//!
//! Not here: when files are looked at, and who is told (`keeper`); how bytes are encrypted (the shell, by rustls).
#![expect(clippy::disallowed_types, reason = "rustls shares what it is configured with by Arc")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::plan::code::Code;
use crate::plan::complaint::{Complaint, Complaints};
use crate::plan::mention::{FileOf, Mentions};
use crate::plan::{CertificateFiles, ClientCertificates, Plan, Tls, Upstream};
use crate::policy::journal::text::rfc3339;
use crate::policy::names::CertificateNames;
use crate::shell::keyring::{Keyring, Server, SharedKeyring};
use crate::shell::tls::{ready_client, ready_server};
use crate::words::ids::{TlsId, UpstreamId};
use crate::words::limits::CERTIFICATE_WARNING;
use crate::words::time::Wall;

pub mod client;
pub mod files;
pub mod identity;
pub mod server;

use files::{Refusal, Stamps};
use identity::{Half, Identity};
use server::{Clients, Section, Source, Tickets};

/// The certificates of one plan, as their files were when they were read.
#[derive(Debug, Default)]
pub struct Certificates {
    /// For the cores.
    pub keyring: SharedKeyring,
    /// When each certificate ends, in seconds since the Unix epoch.
    pub ends: BTreeMap<Shown, i64>,
    /// What is doubtful: certificates that are not valid now, or not for much longer.
    pub warnings: Vec<Complaint>,
    /// What was refused, where something earlier serves in its place.
    pub refused: Vec<Complaint>,
    /// How the files looked just before they were read.
    pub stamps: Stamps,
    /// A refused certificate becomes valid then: worth another look, in seconds since the Unix epoch.
    pub again_at: Option<i64>,
    mentions: Mentions,
    kept: Kept,
}

/// Where a certificate is shown. The labels of its metric.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Shown {
    /// `tls` or `upstream`.
    pub section: &'static str,
    /// The name of that section.
    pub name: String,
    /// The certificate's file.
    pub file: String,
}

/// What was read, by its files.
#[derive(Debug, Default)]
struct Kept {
    identities: HashMap<CertificateFiles, Arc<Identity>>,
    clients: HashMap<ClientCertificates, Arc<Clients>>,
    roots: HashMap<PathBuf, Arc<RootCertStore>>,
    system_roots: Option<Arc<RootCertStore>>,
    /// By the names of sections of `[tls]`.
    tickets: HashMap<String, Tickets>,
}

/// What is done about a file that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strictness {
    /// Nothing is made: for plans that are not in force yet.
    Strict,
    /// What was read from it earlier stays: for the plan in force.
    Lenient,
}

impl Certificates {
    /// Reads all files that `plan` names. What `earlier` ones had stays in use where it is still good.
    ///
    /// # Errors
    /// All complaints, warnings among them, when something cannot be used and nothing earlier stands in for it.
    pub fn make(
        plan: &Plan, mentions: &Mentions, earlier: Option<&Self>, strictness: Strictness, now: Wall,
    ) -> Result<Self, Complaints> {
        let stamps = Stamps::of(paths(plan));
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let made = Self { stamps, mentions: mentions.clone(), ..Self::default() };
        let mut maker = Maker { made, earlier, strictness, now };
        let sections = plan.tls.iter().enumerate();
        let sections: Vec<Result<Section, Lacking>> =
            sections.map(|(position, tls)| maker.section(TlsId::new(position), tls)).collect();
        let upstreams = plan.upstreams.iter().enumerate();
        let clients: Vec<Result<Option<Arc<ClientConfig>>, Lacking>> =
            upstreams.map(|(position, upstream)| maker.client(UpstreamId::new(position), upstream)).collect();
        // Only now: every complaint comes in one run.
        let (sections, clients): (Result<Vec<_>, _>, Result<_, _>) =
            (sections.into_iter().collect(), clients.into_iter().collect());
        let (Ok(sections), Ok(clients)) = (sections, clients) else { return Err(maker.complaints()) };
        let servers = plan.listeners.iter().map(|listener| {
            let section = &sections[listener.tls?.index()];
            let config = section.config(&listener.protocols).expect("TLS 1.2 and 1.3 are built in");
            Some(Server { config: ready_server(config), names: Arc::clone(&section.names) })
        });
        let keyring = Keyring { servers: servers.collect(), clients };
        Ok(maker.finish(keyring))
    }

    /// Reads the same files again, for the plan in force.
    ///
    /// # Errors
    /// As [`Certificates::make`]; but what was good once stays in use.
    pub fn remake(&self, plan: &Plan, now: Wall) -> Result<Self, Complaints> {
        Self::make(plan, &self.mentions, Some(self), Strictness::Lenient, now)
    }
}

/// The files that are worth looking at again. Those of the system's roots are not: they change with its packages.
fn paths(plan: &Plan) -> impl Iterator<Item = &Path> {
    let of_tls = plan.tls.iter().flat_map(|tls| {
        let pairs = tls.certificates.iter().flat_map(|files| [files.cert.as_path(), files.key.as_path()]);
        let clients = tls.clients.iter().flat_map(|clients| [Some(clients.ca.as_path()), clients.crl.as_deref()]);
        pairs.chain(clients.flatten())
    });
    let of_upstreams = plan.upstreams.iter().filter_map(|upstream| upstream.tls.as_ref()).flat_map(|tls| {
        let own = tls.certificate.iter().flat_map(|files| [files.cert.as_path(), files.key.as_path()]);
        own.chain(tls.ca.as_deref())
    });
    of_tls.chain(of_upstreams)
}

struct Maker<'e> {
    made: Certificates,
    earlier: Option<&'e Certificates>,
    strictness: Strictness,
    now: i64,
}

/// Something could not be used, nothing stands in for it, and the complaint is made.
#[derive(Clone, Copy, Debug)]
struct Lacking;

impl Maker<'_> {
    fn finish(mut self, keyring: Keyring) -> Certificates {
        self.sort();
        self.made.keyring = SharedKeyring::new(keyring);
        self.made
    }

    fn complaints(mut self) -> Complaints {
        self.sort();
        let mut list = self.made.refused;
        list.append(&mut self.made.warnings);
        Complaints { list, unlisted: 0 }
    }

    fn sort(&mut self) {
        for list in [&mut self.made.refused, &mut self.made.warnings] {
            list.sort_by_key(|complaint| {
                complaint.spot.as_ref().map(|spot| (spot.file.clone(), spot.line, spot.column))
            });
        }
    }

    // -------------------------------------------------------------------------------------- sections

    fn section(&mut self, id: TlsId, tls: &Tls) -> Result<Section, Lacking> {
        let identities = tls.certificates.iter().enumerate().map(|(position, files)| {
            let identity = self.identity(files, FileOf::Cert(id, position), FileOf::Key(id, position))?;
            self.note_end("tls", &tls.name, files, &identity);
            Ok(identity)
        });
        // All of them are read, whatever is found.
        let identities: Vec<Result<Arc<Identity>, Lacking>> = identities.collect();
        let clients = tls.clients.as_ref().map(|clients| self.clients(id, clients)).transpose()?;
        let identities: Vec<Arc<Identity>> = identities.into_iter().collect::<Result<_, _>>()?;
        let names = identities.iter().map(|identity| identity.names.iter().map(String::as_str));
        let names = Arc::new(CertificateNames::new(names));
        let tickets = self.tickets(id, tls, clients.as_deref())?;
        Ok(Section { names, identities, min_version: tls.min_version, clients, tickets })
    }

    fn tickets(&mut self, id: TlsId, tls: &Tls, clients: Option<&Clients>) -> Result<Tickets, Lacking> {
        let earlier = self.earlier.and_then(|earlier| earlier.kept.tickets.get(&tls.name));
        match Tickets::renewed(earlier, clients) {
            Ok(tickets) => {
                self.made.kept.tickets.insert(tls.name.clone(), tickets.clone());
                Ok(tickets)
            }
            Err(error) => {
                let path = tls.certificates.first().map(|files| files.key.clone()).unwrap_or_default();
                self.refuse(FileOf::Key(id, 0), &path, Refusal::new(format!("no keys for tickets: {error}")));
                Err(Lacking)
            }
        }
    }

    fn clients(&mut self, id: TlsId, files: &ClientCertificates) -> Result<Arc<Clients>, Lacking> {
        let (ca, crl) = (FileOf::ClientCa(id), FileOf::ClientCrl(id));
        let loaded = load_clients(files);
        let clients = match loaded {
            Ok(clients) => Arc::new(clients),
            Err((source, refusal)) => {
                let crl_path = files.crl.as_deref().unwrap_or(&files.ca);
                let (of, path) = if source == Source::Ca { (ca, &*files.ca) } else { (crl, crl_path) };
                self.refuse(of, path, refusal);
                let earlier = self.earlier.and_then(|earlier| earlier.kept.clients.get(files)).cloned();
                self.stand_in(earlier)?
            }
        };
        if let (Some(next_update), Some(path)) = (clients.next_update.filter(|next| *next < self.now), &files.crl) {
            self.warn(crl, path, format!("a newer list was due on {}", date(next_update)));
        }
        self.made.kept.clients.insert(files.clone(), Arc::clone(&clients));
        Ok(clients)
    }

    // -------------------------------------------------------------------------------------- upstreams

    fn client(&mut self, id: UpstreamId, upstream: &Upstream) -> Result<Option<Arc<ClientConfig>>, Lacking> {
        let Some(tls) = &upstream.tls else { return Ok(None) };
        let roots = tls.verify.then(|| self.roots(id, tls.ca.as_deref()));
        let own = tls.certificate.as_ref().map(|files| {
            let identity = self.identity(files, FileOf::OwnCert(id), FileOf::OwnKey(id))?;
            self.note_end("upstream", &upstream.name, files, &identity);
            Ok(identity)
        });
        let (roots, own) = (roots.transpose()?, own.transpose()?);
        let config = client::config(roots, own.as_deref(), upstream.protocol);
        Ok(Some(ready_client(config.expect("TLS 1.2 and 1.3 are built in"))))
    }

    fn roots(&mut self, id: UpstreamId, ca: Option<&Path>) -> Result<Arc<RootCertStore>, Lacking> {
        let Some(path) = ca else { return self.system_roots(id) };
        if let Some(roots) = self.made.kept.roots.get(path) {
            return Ok(Arc::clone(roots));
        }
        let roots = match files::read(path).and_then(|pem| server::roots(&pem)) {
            Ok(roots) => Arc::new(roots),
            Err(refusal) => {
                self.refuse(FileOf::Ca(id), path, refusal);
                let earlier = self.earlier.and_then(|earlier| earlier.kept.roots.get(path)).cloned();
                self.stand_in(earlier)?
            }
        };
        self.made.kept.roots.insert(path.to_owned(), Arc::clone(&roots));
        Ok(roots)
    }

    /// Those that cannot be used are passed over: a system's store may hold what rustls does not know.
    fn system_roots(&mut self, id: UpstreamId) -> Result<Arc<RootCertStore>, Lacking> {
        if let Some(roots) = &self.made.kept.system_roots {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let roots = if roots.is_empty() {
            let why = found.errors.first().map_or("none was found".to_owned(), ToString::to_string);
            let refusal = Refusal::new(format!("the system has no roots to trust: {why}"))
                .hint("install ca-certificates, or name the roots in tls.ca");
            self.complain(Code::BadCertificate, FileOf::Ca(id), None, refusal);
            let earlier = self.earlier.and_then(|earlier| earlier.kept.system_roots.clone());
            self.stand_in(earlier)?
        } else {
            Arc::new(roots)
        };
        self.made.kept.system_roots = Some(Arc::clone(&roots));
        Ok(roots)
    }

    // -------------------------------------------------------------------------------------- certificates

    /// The certificate in `files`; two that name the same files share it.
    fn identity(&mut self, files: &CertificateFiles, cert: FileOf, key: FileOf) -> Result<Arc<Identity>, Lacking> {
        if let Some(known) = self.made.kept.identities.get(files) {
            return Ok(Arc::clone(known));
        }
        let earlier = self.earlier.and_then(|earlier| earlier.kept.identities.get(files)).cloned();
        let identity = match Identity::load(files) {
            Ok(identity) => self.better(Arc::new(identity), earlier, cert, &files.cert),
            Err(refusals) => {
                for (half, refusal) in refusals {
                    let (of, path) = if half == Half::Cert { (cert, &files.cert) } else { (key, &files.key) };
                    self.refuse(of, path, refusal);
                }
                self.stand_in(earlier)?
            }
        };
        self.warn_of_end(&identity, cert, &files.cert);
        self.made.kept.identities.insert(files.clone(), Arc::clone(&identity));
        Ok(identity)
    }

    /// The new one, unless clients would refuse it and not the earlier one.
    fn better(&mut self, new: Arc<Identity>, earlier: Option<Arc<Identity>>, of: FileOf, path: &Path) -> Arc<Identity> {
        let Some(earlier) = earlier.filter(|earlier| earlier.is_valid(self.now) && !new.is_valid(self.now)) else {
            return new;
        };
        let why = if new.is_expired(self.now) {
            format!("it expired on {}", date(new.not_after))
        } else {
            self.made.again_at = Some(self.made.again_at.map_or(new.not_before, |at| at.min(new.not_before)));
            format!("it is not valid before {}", date(new.not_before))
        };
        self.refuse(of, path, Refusal::new(why).hint("the earlier one is still valid and stays in use"));
        earlier
    }

    fn warn_of_end(&mut self, identity: &Identity, of: FileOf, path: &Path) {
        let warning = i64::try_from(CERTIFICATE_WARNING.as_secs()).unwrap_or(i64::MAX);
        let what = match () {
            () if identity.is_expired(self.now) => format!("it expired on {}", date(identity.not_after)),
            () if !identity.is_valid(self.now) => format!("it is not valid before {}", date(identity.not_before)),
            () if identity.is_expired(self.now.saturating_add(warning)) => {
                format!("it expires on {}", date(identity.not_after))
            }
            () => return,
        };
        self.warn(of, path, what);
    }

    fn note_end(&mut self, section: &'static str, name: &str, files: &CertificateFiles, identity: &Identity) {
        let shown = Shown { section, name: name.to_owned(), file: files.cert.display().to_string() };
        self.made.ends.insert(shown, identity.not_after);
    }

    // -------------------------------------------------------------------------------------- complaints

    /// What stands in for what was refused.
    fn stand_in<T>(&self, earlier: Option<T>) -> Result<T, Lacking> {
        earlier.filter(|_| self.strictness == Strictness::Lenient).ok_or(Lacking)
    }

    fn refuse(&mut self, of: FileOf, path: &Path, refusal: Refusal) {
        self.complain(Code::BadCertificate, of, Some(path), refusal);
    }

    fn warn(&mut self, of: FileOf, path: &Path, what: String) {
        self.complain(Code::Expiring, of, Some(path), Refusal::new(what));
    }

    fn complain(&mut self, code: Code, of: FileOf, path: Option<&Path>, refusal: Refusal) {
        let Refusal { why, hint } = refusal;
        let message = path.map_or(why.clone(), |path| format!("\"{}\": {why}", path.display()));
        let complaint = Complaint { code, spot: self.made.mentions.get(&of).cloned(), message, hint, other: None };
        let list = if code == Code::Expiring { &mut self.made.warnings } else { &mut self.made.refused };
        list.push(complaint);
    }
}

fn load_clients(files: &ClientCertificates) -> Result<Clients, (Source, Refusal)> {
    let ca = files::read(&files.ca).map_err(|refusal| (Source::Ca, refusal))?;
    let crl = files.crl.as_deref().map(files::read).transpose().map_err(|refusal| (Source::Crl, refusal))?;
    Clients::new(&ca, crl.as_deref(), files.is_required)
}

fn date(seconds: i64) -> String {
    let mut text = Vec::with_capacity(24);
    let seconds = u64::try_from(seconds).unwrap_or(0);
    rfc3339(Wall::from_nanos(seconds.saturating_mul(1_000_000_000)), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
