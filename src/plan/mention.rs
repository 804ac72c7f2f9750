//! The files of certificates that a plan names, and where it names them: for complaints about what is in them.
//!
//! The files are read by control, when a plan is made and when they change; the plan only knows their names.

use std::collections::HashMap;

use super::complaint::Spot;
use crate::words::ids::{TlsId, UpstreamId};

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FileOf {
    /// `tls.<name>.certificates[n].cert`.
    Cert(TlsId, usize),
    /// `tls.<name>.certificates[n].key`.
    Key(TlsId, usize),
    /// `tls.<name>.client_ca`.
    ClientCa(TlsId),
    /// `tls.<name>.client_crl`.
    ClientCrl(TlsId),
    /// `upstreams.<name>.tls.ca`, or the roots of the system.
    Ca(UpstreamId),
    /// `upstreams.<name>.tls.cert`.
    OwnCert(UpstreamId),
    /// `upstreams.<name>.tls.key`.
    OwnKey(UpstreamId),
}

/// Where each file is named.
pub type Mentions = HashMap<FileOf, Spot>;
