//! GStreamer's rtspsrc talks to `live_source` over the ONVIF back channel, and to `proxy_server` in
//! front of it.

use crate::gstreamer::PYTHON;
use crate::server::{example, read_lines};
use crate::tools::{all, have, run, scratch};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A WAV file's bytes behind the header, which ends with `data` and its length.
fn samples(wav: &[u8]) -> Option<&[u8]> {
    let at = wav.windows(4).position(|bytes| bytes == b"data")?;
    wav.get(at + 8..)
}

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an example that listens on the loopback interface, and returns the URL that it prints.
fn start(name: &str, arguments: &[&str]) -> Result<(Program, String), String> {
    let program = Command::new(example(name))
        .args(["--bind", "127.0.0.1"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{name}: {e}"))?;
    let mut program = Program(program);
    let lines = read_lines(program.0.stdout.take().expect("stdout is a pipe"));
    let url = lines.recv_timeout(Duration::from_secs(20)).map_err(|e| format!("{name}: {e}"))?;
    Ok((program, url.trim().to_owned()))
}

fn talk((over, has_proxy): (&str, bool)) -> Result<(), String> {
    let (_folder, folder) = scratch();
    let (heard, said) = (folder.join("heard.wav"), folder.join("said.ul"));
    let file = heard.to_string_lossy();
    let (mut source, url) = start("live_source", &["--port", "0", "--back-channel", &file])?;
    let arguments = ["-p", "0", "--back-channel", "pcmu", &url];
    let proxy = if has_proxy { Some(start("proxy_server", &arguments)?) } else { None };
    let url = proxy.as_ref().map_or(&url, |(_, url)| url);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/talk.py");
    let mut command = Command::new(PYTHON);
    command.arg(script).args([url, over]).arg(&said);
    let played = run(&mut command, &folder, Duration::from_secs(40));
    if !played.succeeded {
        return Err(format!("GStreamer: {}", played.complaints));
    }
    end(&mut source.0)?;
    let read = |path: &Path| std::fs::read(path).map_err(|e| e.to_string());
    let (heard, said) = (read(&heard)?, read(&said)?);
    let heard = samples(&heard).ok_or("no WAV file")?;
    if heard == said && said.len() == 16_000 {
        return Ok(());
    }
    Err(format!("{} bytes were said, {} heard", said.len(), heard.len()))
}

/// Ends the program as Ctrl-C does.
fn end(source: &mut Child) -> Result<(), String> {
    let id = source.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().map_err(|e| e.to_string())?;
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if let Ok(Some(status)) = source.try_wait() {
            return if status.success() { Ok(()) } else { Err(status.to_string()) };
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("live_source does not end".to_owned())
}

#[test]
fn gstreamer_talks() {
    let elements = ["rtspsrc", "rtppcmupay", "mulawenc", "audiotestsrc"];
    let probe = ["-c", "import gi; gi.require_version('Gst', '1.0')"];
    if !elements.iter().all(|e| have(e, &["gst-inspect-1.0", "--exists", e]))
        || !have("GStreamer for Python", &[PYTHON, probe[0], probe[1]])
    {
        return;
    }
    let jobs = [("udp", false), ("tcp", false), ("tcp", true)];
    let name = |(over, has_proxy): (&str, bool)| {
        format!("{over}{}", if has_proxy { " through a proxy" } else { "" })
    };
    all(jobs.map(|job| (name(job), job)).to_vec(), talk);
}
