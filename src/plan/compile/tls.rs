//! `[tls.<name>]` and `tls` of upstreams. What is in the files is no concern of a plan.

use std::path::{Path, PathBuf};

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::mention::FileOf;
use crate::plan::raw::Named;
use crate::plan::raw::tls::{Tls as RawTls, UpstreamTls as RawUpstreamTls};
use crate::plan::read::At;
use crate::plan::source::Place;
use crate::plan::value::word::{ClientAuth, Text};
use crate::plan::{CertificateFiles, ClientCertificates, Tls, UpstreamTls};
use crate::words::ids::{TlsId, UpstreamId};
use crate::words::limits::CERTIFICATES_MAX;

/// The files that were named so far, and where.
#[derive(Debug, Default)]
pub struct Files {
    /// In the order of compiling.
    pub list: Vec<(FileOf, Place)>,
}

impl Files {
    /// The path that `text` names, from the file that it stands in. Without a text there was a complaint, or there is
    /// no such file.
    fn path(&mut self, of: FileOf, text: Option<&At<Text>>, desk: &Desk<'_>) -> Option<PathBuf> {
        let text = text?;
        self.list.push((of, text.place));
        Some(desk.sources.base(text.place.file).unwrap_or_else(|| Path::new("")).join(&text.value.0))
    }
}

/// Compiles all of `[tls]`.
pub fn compile(raw: &[Named<RawTls>], files: &mut Files, desk: &mut Desk<'_>) -> Vec<Tls> {
    let numbered = raw.iter().enumerate();
    numbered.map(|(position, named)| one(TlsId::new(position), named, files, desk)).collect()
}

fn one(id: TlsId, named: &Named<RawTls>, files: &mut Files, desk: &mut Desk<'_>) -> Tls {
    let section = &named.section;
    let list = section.certificates.as_ref().map(|list| list.value.0.as_slice()).unwrap_or_default();
    if list.len() > CERTIFICATES_MAX {
        let message = format!("there are at most {CERTIFICATES_MAX} certificates under one name");
        desk.complain(Code::TooMany, named.name.place, message);
    }
    let certificates = list.iter().enumerate().filter_map(|(position, certificate)| {
        let cert = files.path(FileOf::Cert(id, position), certificate.value.cert.as_ref(), desk);
        let key = files.path(FileOf::Key(id, position), certificate.value.key.as_ref(), desk);
        Some(CertificateFiles { cert: cert?, key: key? })
    });
    Tls {
        name: named.name.value.clone(),
        certificates: certificates.collect(),
        min_version: section.min_version.map(|version| version.value).unwrap_or_default(),
        clients: clients(id, section, files, desk),
    }
}

fn clients(id: TlsId, raw: &RawTls, files: &mut Files, desk: &mut Desk<'_>) -> Option<ClientCertificates> {
    if raw.client_ca.is_none() {
        let needing = [
            ("client_auth", raw.client_auth.map(|auth| auth.place)),
            ("client_crl", raw.client_crl.as_ref().map(|crl| crl.place)),
        ];
        for (key, place) in needing.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            desk.complain(Code::Conflict, place, format!("\"{key}\" needs \"client_ca\""))
                .hint("client_ca names the roots that sign certificates of clients");
        }
    }
    let ca = files.path(FileOf::ClientCa(id), raw.client_ca.as_ref(), desk)?;
    let crl = files.path(FileOf::ClientCrl(id), raw.client_crl.as_ref(), desk);
    let is_required = raw.client_auth.is_none_or(|auth| auth.value == ClientAuth::Required);
    Some(ClientCertificates { ca, crl, is_required })
}

/// How TLS is spoken to the upstream `id`, whose endpoints are `https`.
pub fn upstream(
    id: UpstreamId, place: Place, raw: Option<&At<RawUpstreamTls>>, files: &mut Files, desk: &mut Desk<'_>,
) -> UpstreamTls {
    if raw.is_none_or(|raw| raw.value.ca.is_none()) {
        // The system's roots: if there are none, that is said of the upstream.
        files.list.push((FileOf::Ca(id), place));
    }
    let Some(raw) = raw.map(|raw| &raw.value) else {
        return UpstreamTls { ca: None, server_name: None, certificate: None, verify: true };
    };
    match (&raw.cert, &raw.key) {
        (Some(cert), None) => needs("cert", "key", cert.place, desk),
        (None, Some(key)) => needs("key", "cert", key.place, desk),
        _ => (),
    }
    let cert = files.path(FileOf::OwnCert(id), raw.cert.as_ref(), desk);
    let key = files.path(FileOf::OwnKey(id), raw.key.as_ref(), desk);
    UpstreamTls {
        ca: files.path(FileOf::Ca(id), raw.ca.as_ref(), desk),
        server_name: raw.server_name.as_ref().map(|name| name.value.0.clone()),
        certificate: cert.zip(key).map(|(cert, key)| CertificateFiles { cert, key }),
        verify: raw.verify.is_none_or(|verify| verify.value.0),
    }
}

fn needs(key: &str, other: &str, place: Place, desk: &mut Desk<'_>) {
    desk.complain(Code::Conflict, place, format!("\"{key}\" needs \"{other}\""));
}
