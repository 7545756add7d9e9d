//! A server in a program that has a loop of its own: the program waits for its own descriptors
//! and for the server's environment at once, and lets the environment take a turn after each wait.

mod support;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use riverrun::env::UsageEnvironment;
use riverrun::server::{FileSessionOptions, FolderProvider, ServerConfig};
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::{Arguments, Failure, Listen, Program, Stop};

const HELP: &str = "\
Serves testdata/media over RTSP from inside a loop of another make: a poll(2) that also waits for
standard input. Each line that is typed is answered with the number of connections.

Usage: nested_loop [OPTIONS]

  --bind ADDR  listen on this address only (default: all)
  --port N     listen on this port (default: 8554; 0: any)
  --help       this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
";

fn main() -> std::process::ExitCode {
    support::run("nested_loop", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Listen, Stop> {
    let mut listen = Listen::default();
    match arguments.next(&mut listen)? {
        Some(argument) => Err(argument.unexpected()),
        None => Ok(listen),
    }
}

fn serve(listen: Listen) -> Result<(), Failure> {
    let provider = FolderProvider::new("testdata/media".as_ref(), FileSessionOptions::default())?;
    let mut program = Program::new(ServerConfig::unlimited(), listen)?;
    program.with(|server, _| server.set_session_provider(provider))?;
    program.print_url("bframes.h264", "")?;
    let mut typing = true;
    while !program.stop.load(Ordering::Acquire) {
        let typed = wait(&program.env, typing)?;
        program.env.turn(Some(Duration::ZERO))?;
        if typed {
            let mut input = io::stdin().lock();
            let typed = input.fill_buf()?.len();
            input.consume(typed);
            typing = typed > 0;
            let connections = program.with(|server, _| server.connection_count())?;
            log::info!("{connections} connections");
        }
    }
    program.end()
}

/// Waits for the environment or, while somebody may type, for standard input; whether that came.
fn wait(env: &UsageEnvironment, typing: bool) -> io::Result<bool> {
    // The environment's descriptor tells of sockets, triggers and signals, not of timers.
    let timeout = env.next_deadline().map_or(PollTimeout::NONE, |at| {
        let left = at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    let stdin = io::stdin();
    let mut fds = vec![PollFd::new(env.as_fd()?, PollFlags::POLLIN)];
    if typing {
        fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
    }
    match poll(&mut fds, timeout) {
        Ok(_) => Ok(fds.get(1).is_some_and(|stdin| stdin.any().unwrap_or_default())),
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
