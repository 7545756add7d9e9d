//! GStreamer's rtspsrc talks to `live_source` over the ONVIF back channel.

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

struct Source(Child);

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn talk(over: &str) -> Result<(), String> {
    let (_folder, folder) = scratch();
    let (heard, said) = (folder.join("heard.wav"), folder.join("said.ul"));
    let source = Command::new(example("live_source"))
        .args(["--bind", "127.0.0.1", "--port", "0", "--back-channel"])
        .arg(&heard)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut source = Source(source);
    let lines = read_lines(source.0.stdout.take().expect("stdout is a pipe"));
    let url = lines.recv_timeout(Duration::from_secs(20)).map_err(|e| e.to_string())?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/talk.py");
    let mut command = Command::new(PYTHON);
    command.arg(script).args([url.trim(), over]).arg(&said);
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
    all(["udp", "tcp"].map(|over| (over.to_owned(), over)).to_vec(), talk);
}
