//! The users file: text, one entry a line, from which a [`UserTable`] is made.
//!
//! ```text
//! # Who may watch the cameras.
//! realm  cameras
//! user   ann  md5=… sha-256=…
//! user   bob  pbkdf2-sha256=600000:…:…
//! token-key …
//! deny   bob    *              garden
//! allow  anyone describe,play  lobby     from 10.0.0.0/8,fd00::/8
//! allow  users  describe,play  *
//! allow  ann    control        cam/*
//! ```
//!
//! | entry | |
//! | --- | --- |
//! | `realm NAME` | the realm that the Digest hashes were made for; at most once |
//! | `user NAME HASH…` | a user: `md5=` and `sha-256=` are Digest hashes (of 32 and 64 hexadecimal digits), `pbkdf2-sha256=` is a [slow hash](super::SlowHash) for Basic |
//! | `token-key KEY` | 64 hexadecimal digits, the [key of tokens](super::TokenKey); at most once |
//! | `allow WHO ACTIONS STREAMS [from RANGES]` | a rule that permits |
//! | `deny WHO ACTIONS STREAMS [from RANGES]` | a rule that forbids |
//!
//! `WHO` is the name of a user, `users` for all of them, or `anyone`. `ACTIONS` are `describe`,
//! `play`, `publish`, `control` and `talk` with commas between them, or `*` for all. `STREAMS` is the name of
//! a stream, in which `*` stands for any characters. `RANGES` are addresses with or without a prefix
//! length, with commas between them. The first rule that fits a request decides; what no rule fits
//! is forbidden. Without any rule, users may do everything and others nothing.
//!
//! Fields are separated by spaces or tabs. Names are percent-encoded where they have a space or a
//! percent sign, and names of streams where they have an asterisk. Empty lines, and lines that begin
//! with `#`, are comments.
//!
//! The example program `rtsp_users` makes entries. The file holds secrets: only the server should be
//! able to read it.

use super::rights::{Actions, AddressRange, Pattern, Rule, Who};
use super::user_table::{User, UserTable};
use crate::wire::auth::DigestAlgorithm;
use crate::wire::text::{from_hex, to_hex};
use crate::wire::url::decode_segment;
use std::fmt;

/// Longest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Longest line, in bytes.
const MAX_LINE: usize = 1024;
/// Faults that are told.
const MAX_FAULTS: usize = 16;

/// Lines of a users file that are wrong. It quotes nothing of the file, which may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersFileError {
    /// Numbers of lines, from 1 (0: the file), and what is wrong with each.
    faults: Vec<(usize, &'static str)>,
    more: usize,
}

impl UsersFileError {
    /// Iterates over the wrong lines: their numbers, from 1, and what is wrong. Number 0 stands for
    /// the file as a whole. At most 16 are told.
    pub fn faults(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.faults.iter().copied()
    }
}

impl fmt::Display for UsersFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (line, what)) in self.faults.iter().enumerate() {
            f.write_str(if i > 0 { "; " } else { "" })?;
            match line {
                0 => f.write_str(what)?,
                line => write!(f, "line {line}: {what}")?,
            }
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for UsersFileError {}

/// Reads the text of a users file.
///
/// ```
/// use riverrun::server::access::{Action, users_file};
///
/// let table = users_file::parse("user ann sha-256=00\nallow bob play *\n").unwrap_err();
/// let lines: Vec<_> = table.faults().map(|(line, _)| line).collect();
/// assert_eq!(lines, [1, 2]);
///
/// let table = users_file::parse("allow anyone describe,play lobby\n")?;
/// assert!(table.permits(None, Action::Play, "lobby", [10, 0, 0, 7].into()));
/// # Ok::<(), users_file::UsersFileError>(())
/// ```
///
/// # Errors
/// A line is wrong. Nothing of the file is to be used then.
pub fn parse(text: &str) -> Result<UserTable, UsersFileError> {
    let mut table = UserTable::new();
    let mut error = UsersFileError { faults: Vec::new(), more: 0 };
    if text.len() > MAX_BYTES {
        error.add(0, "the file is too large");
        return Err(error);
    }
    let mut about = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        match parse_line(&mut table, text.trim()) {
            Ok(Some(user)) => about.push((line, user)),
            Ok(None) => {}
            Err(what) => error.add(line, what),
        }
    }
    for (line, user) in about {
        if table.user(&user).is_none() {
            error.add(line, "a rule about a user who is not in the file");
        }
    }
    if error.faults.is_empty() { Ok(table) } else { Err(error) }
}

impl UsersFileError {
    fn add(&mut self, line: usize, what: &'static str) {
        if self.faults.len() < MAX_FAULTS {
            let at = self.faults.partition_point(|(other, _)| *other <= line);
            self.faults.insert(at, (line, what));
        } else {
            self.more += 1;
        }
    }
}

/// Adds what a line says; returns the user that a rule is about.
fn parse_line(table: &mut UserTable, line: &str) -> Result<Option<Box<str>>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.len() > MAX_LINE {
        return Err("longer than a line may be");
    }
    let mut fields = line.split_ascii_whitespace();
    match fields.next() {
        Some("realm") => {
            let realm = decoded(fields.next().ok_or("no realm")?)?;
            if table.realm().is_some() {
                return Err("a second realm");
            }
            table.set_realm(realm);
        }
        Some("token-key") => {
            let key = fields.next().ok_or("no key")?.parse()?;
            if table.token_key().is_some() {
                return Err("a second token key");
            }
            table.set_token_key(key);
        }
        Some("user") => {
            let user = parse_user(&mut fields)?;
            let name = user.name().to_owned();
            table.add_user(user).map_err(|_| {
                let is_there = table.user(&name).is_some();
                if is_there { "a second user of this name" } else { "a name that no user can have" }
            })?;
        }
        Some(kind @ ("allow" | "deny")) => {
            let rule = parse_rule(kind == "allow", &mut fields)?;
            let about = match &rule.who {
                Who::User(name) => Some(name.clone()),
                Who::Anyone | Who::Users => None,
            };
            table.add_rule(rule);
            return end(&mut fields).map(|()| about);
        }
        _ => return Err("begins with none of realm, user, token-key, allow, deny"),
    }
    end(&mut fields).map(|()| None)
}

fn end<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Result<(), &'static str> {
    if fields.next().is_some() { Err("more than the entry has") } else { Ok(()) }
}

fn parse_user<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Result<User, &'static str> {
    let name = decoded(fields.next().ok_or("no name")?)?;
    let mut user = User::new(name);
    let mut hashes = 0;
    for field in fields {
        user = match field.split_once('=') {
            Some(("md5", hash)) => user.with_md5(from_hex(hash).ok_or("a malformed md5")?),
            Some(("sha-256", hash)) => {
                user.with_sha256(from_hex(hash).ok_or("a malformed sha-256")?)
            }
            Some(("pbkdf2-sha256", hash)) => user.with_slow_hash(hash.parse()?),
            _ => return Err("a hash that is none of md5=, sha-256=, pbkdf2-sha256="),
        };
        hashes += 1;
    }
    if hashes == 0 { Err("a user without a hash") } else { Ok(user) }
}

fn parse_rule<'a>(
    permits: bool,
    fields: &mut impl Iterator<Item = &'a str>,
) -> Result<Rule, &'static str> {
    let who = match fields.next().ok_or("a rule about nobody")? {
        "anyone" => Who::Anyone,
        "users" => Who::Users,
        name => Who::User(decoded(name)?),
    };
    let actions: Actions = fields.next().ok_or("a rule without actions")?.parse()?;
    let streams = fields.next().ok_or("a rule without streams")?.trim_matches('/');
    let pieces = streams.split('*').map(decoded).collect::<Result<Vec<_>, _>>()?;
    let streams = Pattern::of_pieces(pieces);
    let mut rule = Rule { permits, who, actions, streams, from: Vec::new() };
    match fields.next() {
        None => {}
        Some("from") => {
            for range in fields.next().ok_or("from nowhere")?.split(',') {
                rule = rule.from_range(range.parse::<AddressRange>()?);
            }
        }
        Some(_) => return Err("more than the entry has"),
    }
    Ok(rule)
}

fn decoded(text: &str) -> Result<Box<str>, &'static str> {
    decode_segment(text).map(Into::into).map_err(|_| "a name with a malformed percent encoding")
}

/// The entry of a user, without an end of line.
pub fn user_entry(user: &User) -> String {
    let mut line = format!("user {}", encoded(user.name()));
    let digest = [("md5", DigestAlgorithm::Md5), ("sha-256", DigestAlgorithm::Sha256)];
    for (name, algorithm) in digest {
        if let Some(hash) = user.digest_hash(algorithm) {
            line.push_str(&format!(" {name}={hash}"));
        }
    }
    if let Some(hash) = user.slow_hash() {
        line.push_str(&format!(" pbkdf2-sha256={}", hash.to_text()));
    }
    line
}

/// The entry of a realm, without an end of line.
pub fn realm_entry(realm: &str) -> String {
    format!("realm {}", encoded(realm))
}

/// Encodes the characters of a name that would end or change a field.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '%' || c.is_whitespace() || c.is_control() {
            let mut bytes = [0; 4];
            for b in c.encode_utf8(&mut bytes).bytes() {
                out.push('%');
                out.push_str(&to_hex(&[b]));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::access::{Action, SlowHash, TokenKey};

    #[test]
    fn the_file_of_the_documentation() {
        let (md5, sha) = ("0a".repeat(16), "0b".repeat(32));
        let slow = SlowHash::new("x", 1, [1; 16]).unwrap().to_text();
        let key = TokenKey::new([3; 32]);
        let text = format!(
            "# Who may watch the cameras.\n\nrealm  cameras\nuser \t ann md5={md5} sha-256={sha}\n\
             user   bob  pbkdf2-sha256={slow}\ntoken-key {}\ndeny   bob    *              garden\n\
             allow  anyone describe,play  lobby     from 10.0.0.0/8,fd00::/8\r\n\
             allow  users  describe,play  *\nallow  ann    control        cam/*",
            key.to_text()
        );
        let table = parse(&text).unwrap();
        assert_eq!(table.realm(), Some("cameras"));
        assert_eq!(table.token_key(), Some(&key));
        assert_eq!((table.users().count(), table.rules().len()), (2, 4));
        let (near, far) = ("10.1.1.1".parse().unwrap(), "11.1.1.1".parse().unwrap());
        let permits = |user, action, stream, address| table.permits(user, action, stream, address);
        assert!(permits(None, Action::Play, "lobby", near));
        assert!(!permits(None, Action::Play, "lobby", far));
        assert!(permits(Some("bob"), Action::Play, "lobby", far));
        assert!(!permits(Some("bob"), Action::Describe, "garden", near));
        assert!(permits(Some("ann"), Action::Describe, "garden", far));
        assert!(permits(Some("ann"), Action::Control, "cam/1", far));
        assert!(!permits(Some("ann"), Action::Control, "garden", far));
        assert!(!permits(Some("eve"), Action::Play, "x", near), "a stranger is no user");
        let shown = format!("{table:?}");
        assert!(!shown.contains("0a0a") && !shown.contains("0303") && !shown.contains("3, 3"));
    }

    #[test]
    fn the_longest_name_can_be_written() {
        let user = |name: &str| {
            let slow = SlowHash::new("x", 1, [1; 16]).unwrap();
            User::new(name).with_md5([1; 16]).with_sha256([2; 32]).with_slow_hash(slow)
        };
        // Each byte is written as three.
        let name = format!("x{}", "é".repeat(127));
        let entry = user_entry(&user(&name));
        assert_eq!(parse(&entry).unwrap().users().next().unwrap().name(), name);
        assert!(parse(&user_entry(&user(&"é".repeat(128)))).is_err());
    }

    #[test]
    fn wrong_lines_are_named_and_nothing_is_taken() {
        let md5 = "0a".repeat(16);
        let long = "x".repeat(MAX_LINE + 1);
        for (line, what) in [
            ("users ann", "begins with"),
            ("realm", "no realm"),
            ("realm b", "a second realm"),
            ("realm %zz", "percent"),
            ("user", "no name"),
            ("user ann", "without a hash"),
            ("user ann md5=0a", "malformed md5"),
            ("user ann sha-256=xx", "malformed sha-256"),
            ("user ann pbkdf2-sha256=1", "malformed pbkdf2"),
            ("user ann md4=1", "none of md5="),
            (&format!("user dan md5={md5}"), "second user"),
            (&format!("user anyone md5={md5}"), "no user can have"),
            (&format!("user a%3Ab md5={md5}"), "no user can have"),
            ("token-key 12", "64"),
            ("allow", "nobody"),
            ("allow dan", "without actions"),
            ("allow dan watch *", "unknown action"),
            ("allow dan play", "without streams"),
            ("allow dan play * from", "from nowhere"),
            ("allow dan play * from 10.0.0.1/8", "bits behind"),
            ("allow dan play * at home", "more than"),
            ("allow dan play * from 10.0.0.0/8 or so", "more than"),
            ("allow eve play *", "not in the file"),
            (&long, "longer than"),
        ] {
            let text = format!("realm a\nuser dan md5={md5}\n{line}\nallow users play *\n");
            let error = parse(&text).unwrap_err();
            let [(at, why)] = error.faults().collect::<Vec<_>>()[..] else { panic!("{error}") };
            assert_eq!(at, 3, "{line}");
            assert!(why.contains(what), "{line}: {why}");
            assert!(error.to_string().starts_with("line 3: "));
        }
        let error = parse(&"x\n".repeat(100)).unwrap_err();
        assert_eq!(error.faults().count(), MAX_FAULTS);
        assert!(error.to_string().ends_with("; and 84 more"));
        assert!(parse(&"#\n".repeat(MAX_BYTES)).is_err());
    }

    #[test]
    fn entries_are_read_as_they_are_written() {
        let slow = SlowHash::new("x", 1, [1; 16]).unwrap();
        for name in ["ann", "ann of the % hill", "änn", "a\u{a0}b", "#a", "*"] {
            let user = User::with_password(name, "r", "p").with_slow_hash(slow.clone());
            let mut text = format!("{}\n{}\n", realm_entry("a realm"), user_entry(&user));
            text.push_str(&format!("allow {} play %2a*", encoded(name)));
            let table = parse(&text).unwrap();
            let read = table.user(name).unwrap();
            assert_eq!(user_entry(read), user_entry(&user));
            assert_eq!(table.realm(), Some("a realm"));
            let at = "10.0.0.1".parse().unwrap();
            assert!(table.permits(Some(name), Action::Play, "*x", at));
            assert!(!table.permits(Some(name), Action::Play, "x", at));
        }
    }
}
