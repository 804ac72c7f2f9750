//! The line that says what was seen of one request.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Mutex;

use url::Url;

/// One request as its server saw it. Texts that a client chose are bytes: they are written in hex.
#[derive(Default)]
pub struct Seen {
    pub id: String,
    pub case: String,
    pub method: String,
    pub target: String,
    /// What a parser makes of the path: its name, how it shows it (`raw` or `decoded`), and the path.
    pub views: Vec<(&'static str, &'static str, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// Adds what the `url` crate makes of the target; `*` is none.
    pub fn parse_url(&mut self) {
        if self.target.starts_with('/')
            && let Ok(url) = Url::parse(&format!("http://origin{}", self.target))
        {
            self.views.push(("url", "raw", url.path().as_bytes().to_vec()));
        }
    }
}

/// The log that all connections share.
pub struct Log(Mutex<File>);

impl Log {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn append(path: &str) -> io::Result<Self> {
        Ok(Self(Mutex::new(OpenOptions::new().append(true).create(true).open(path)?)))
    }

    /// Appends one line; it is in the file when this returns. Of ids and case numbers only plain text is kept.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, seen: &Seen) -> io::Result<()> {
        let views: Vec<String> =
            seen.views.iter().map(|(name, form, path)| format!("[\"{name}\",\"{form}\",\"{}\"]", hex(path))).collect();
        let line = format!(
            concat!(
                r#"{{"id":"{}","case":"{}","method":"{}","target":"{}","#,
                r#""views":[{}],"length":{},"sha1":"{}"}}"#,
                "\n"
            ),
            plain(&seen.id),
            plain(&seen.case),
            hex(seen.method.as_bytes()),
            hex(seen.target.as_bytes()),
            views.join(","),
            seen.body.len(),
            sha1_smol::Sha1::from(&seen.body).digest(),
        );
        self.0.lock().map_err(|_| io::Error::other("a writer panicked"))?.write_all(line.as_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn plain(text: &str) -> String {
    text.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect()
}
