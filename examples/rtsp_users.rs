//! Makes the entries of a users file: users with the hashes of their passwords, and tokens.

mod support;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use riverrun::server::access::{Actions, SlowHash, TokenKey, TokenScope, User, users_file};
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use support::users::{read_text, read_users};
use support::{Arguments, Failure, Stop, wrong};

const HELP: &str = "\
Makes the entries of a users file, as media_server --users reads it.

Usage: rtsp_users [OPTIONS] FILE COMMAND [NAME]

  FILE                  the users file
  set NAME              add a user, or give the user another password, which is read from standard
                        input: a line, without echo on a terminal
  remove NAME           take the user out; rules about the user have to be taken out before
  key                   make a key for tokens, in place of the one that is there
  token NAME            write a token for the stream NAME to standard output, to be added to its
                        URL as ?token=
  check                 read the file, and name the lines that are wrong
  --realm NAME          realm of a new file (default: riverrun)
  --slow                keep a slow hash, which serves Basic over TLS only, and none for Digest
  --rounds N            rounds of a slow hash (default: 600000)
  --seconds N           time for which a token opens its stream (default: 3600)
  --actions LIST        what a token is for: describe, play, publish, control,
                        talk (default: describe,play)
  --address ADDR        the only address that may use a token (default: any)
  --help                this text

Rules are written into the file by hand: see the documentation of riverrun's users_file.
";

struct Options {
    file: PathBuf,
    command: String,
    name: Option<String>,
    realm: String,
    slow: bool,
    rounds: u32,
    seconds: u64,
    actions: Actions,
    address: Option<IpAddr>,
}

fn main() -> std::process::ExitCode {
    support::run("rtsp_users", HELP, options, make)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options {
        file: PathBuf::new(),
        command: String::new(),
        name: None,
        realm: "riverrun".into(),
        slow: false,
        rounds: 600_000,
        seconds: 3600,
        actions: Actions::VIEW,
        address: None,
    };
    let mut values = Vec::new();
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some(name @ "--realm") => options.realm = arguments.parsed(name, "text")?,
            Some("--slow") => options.slow = true,
            Some(name @ "--rounds") => options.rounds = arguments.number(name)?,
            Some(name @ "--seconds") => options.seconds = arguments.number(name)?,
            Some(name @ "--actions") => {
                options.actions = arguments.parsed(name, "a list of actions")?;
            }
            Some(name @ "--address") => {
                options.address = Some(arguments.parsed(name, "an IP address")?);
            }
            None if values.len() < 3 => values.push(argument.into_value()),
            // Not quoted: it may be meant as a password.
            None => return Err(wrong("one argument too many; a password comes on standard input")),
            _ => return Err(argument.unexpected()),
        }
    }
    let mut values = values.into_iter();
    options.file = values.next().ok_or_else(|| wrong("no users file"))?.into();
    let mut text = || match values.next().map(|value| value.into_string()) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err(wrong("a name that is not UTF-8")),
    };
    options.command = text()?.ok_or_else(|| wrong("no command"))?;
    options.name = text()?;
    let needs_name = match options.command.as_str() {
        "set" | "remove" | "token" => true,
        "key" | "check" => false,
        other => return Err(wrong(format!("{other}: no such command"))),
    };
    match (needs_name, &options.name) {
        (true, None) => Err(wrong(format!("{}: no name", options.command))),
        (false, Some(name)) => Err(wrong(format!("{name}: one argument too many"))),
        _ => Ok(options),
    }
}

fn make(options: Options) -> Result<(), Failure> {
    let name = options.name.as_deref().unwrap_or_default();
    match options.command.as_str() {
        "set" => {
            let text = if options.file.exists() {
                read_text(&options.file)?
            } else {
                users_file::realm_entry(&options.realm) + "\n"
            };
            let table = users_file::parse(&text)?;
            let realm = table.realm().unwrap_or(&options.realm);
            let password = read_password(name)?;
            let user = if options.slow {
                let hash = SlowHash::new(&password, options.rounds, random()?);
                User::new(name).with_slow_hash(hash.ok_or("--rounds: 1 to 10000000")?)
            } else {
                User::with_password(name, realm, &password)
            };
            let entry = users_file::user_entry(&user);
            let of_user = users_file::user_entry(&User::new(name));
            replace(&options.file, &text, &of_user, Some(&entry))
        }
        "remove" => {
            let text = read_text(&options.file)?;
            if users_file::parse(&text)?.user(name).is_none() {
                return Err(format!("{name}: no such user").into());
            }
            let of_user = users_file::user_entry(&User::new(name));
            replace(&options.file, &text, &of_user, None)
        }
        "key" => {
            let text = read_text(&options.file)?;
            let entry = format!("token-key {}", TokenKey::new(random()?).to_text());
            replace(&options.file, &text, "token-key", Some(&entry))
        }
        "token" => {
            let table = read_users(&options.file)?;
            let key = table.token_key().ok_or("the file has no key for tokens: make one first")?;
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            let expires = now.saturating_add(Duration::from_secs(options.seconds));
            let mut scope = TokenScope::new(name, expires).with_actions(options.actions);
            if let Some(address) = options.address {
                scope = scope.with_address(address);
            }
            Ok(writeln!(io::stdout(), "{}", key.mint(&scope))?)
        }
        _ => {
            let table = read_users(&options.file)?;
            let (users, rules) = (table.users().count(), table.rules().len());
            Ok(writeln!(io::stdout(), "{users} users, {rules} rules")?)
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random bytes: {e}"))?;
    Ok(bytes)
}

/// A line of standard input, which a terminal does not show.
fn read_password(name: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let restore = if stdin.is_terminal() {
        write!(io::stderr(), "Password of {name}: ")?;
        let shown = tcgetattr(&stdin)?;
        let mut hidden = shown.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden)?;
        Some(shown)
    } else {
        None
    };
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    if let Some(shown) = restore {
        tcsetattr(&stdin, SetArg::TCSAFLUSH, &shown)?;
        writeln!(io::stderr())?;
    }
    read?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("no password on standard input".into());
    }
    Ok(password.to_owned())
}

/// Replaces the line of the text that begins with the fields `beginning` by `entry`, or adds that at
/// the end; the file changes as a whole or not at all.
fn replace(path: &Path, text: &str, beginning: &str, entry: Option<&str>) -> Result<(), Failure> {
    let wanted: Vec<_> = beginning.split_ascii_whitespace().collect();
    let is_it = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().take(wanted.len()).collect();
        fields == wanted
    };
    let mut entry = entry;
    let mut out = String::with_capacity(text.len() + 256);
    for line in text.lines() {
        let line = if is_it(line) { entry.take() } else { Some(line) };
        out.extend(line.into_iter().flat_map(|line| [line, "\n"]));
    }
    out.extend(entry.into_iter().flat_map(|line| [line, "\n"]));
    users_file::parse(&out)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let failed = |e: io::Error| format!("{}: {e}", beside.display());
    let mut options = std::fs::OpenOptions::new();
    // It holds secrets.
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    let written = file.write_all(out.as_bytes()).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&beside, path));
    if renamed.is_err() {
        // What was not written whole is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
    }
    Ok(renamed.map_err(failed)?)
}
