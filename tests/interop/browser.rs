//! MP4 that the `open_rtsp` example has recorded, played by Chromium where it is installed: a page on
//! the loopback interface plays the file and tells what it has seen.

use crate::media::{Kind, Media, of_file};
use crate::recording::record;
use crate::server::Server;
use crate::tools::{all, have_optional, scratch};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a file of five seconds and the start of the browser may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser is several programs.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Plays the file to its end, goes back to its middle and plays on; then it tells what it has seen.
const PAGE: &str = "<!doctype html><title>MP4</title><video id=v muted src=/it.mp4></video><script>
const v = document.getElementById('v');
let ended = -1, duration = -1;
const tell = (state, why) => {
  document.title = state;
  const seen = [state, duration, v.videoWidth, v.videoHeight, ended, v.currentTime, why || '-'];
  fetch('/seen?' + encodeURIComponent(seen.join(' ')));
};
v.onerror = () => tell('error', v.error.message);
v.onended = () => {
  if (ended < 0) {
    ended = v.currentTime;
    duration = v.duration;
    v.currentTime = ended / 2;
    v.onseeked = () => v.play();
  } else {
    tell('played');
  }
};
v.playbackRate = 2;
v.play().catch(e => tell('refused', e.message));
</script>";

/// What the page has seen.
#[derive(Debug, PartialEq)]
struct Seen {
    state: String,
    duration: f64,
    size: (u32, u32),
    /// Where it was at its end, and at its second one.
    ends: [f64; 2],
    why: String,
}

impl Seen {
    /// Reads what the page has put together.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(7, ' ');
        let mut word = || words.next();
        let state = word()?.to_owned();
        let duration = word()?.parse().ok()?;
        let size = (word()?.parse().ok()?, word()?.parse().ok()?);
        let ends = [word()?.parse().ok()?, word()?.parse().ok()?];
        Some(Self { state, duration, size, ends, why: word()?.to_owned() })
    }
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A web server for one page and one file. It ends with the test.
struct Web {
    address: String,
    seen: Receiver<String>,
}

impl Web {
    fn serve(file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (teller, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (file, teller) = (file.clone(), teller.clone());
                std::thread::spawn(move || answer(stream, &file, &teller));
            }
        });
        Self { address, seen }
    }
}

/// Answers the requests of one connection.
fn answer(stream: TcpStream, file: &[u8], teller: &Sender<String>) {
    let mut writer = stream.try_clone().expect("another handle");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let target = request.split(' ').nth(1).unwrap_or_default();
        if let Some(seen) = target.strip_prefix("/seen?") {
            // Who has seen enough listens no more.
            let _ = teller.send(decoded(seen));
        }
        let (kind, body) = match target {
            "/" => ("text/html", PAGE.as_bytes()),
            "/it.mp4" => ("video/mp4", file),
            _ => ("text/plain", &[][..]),
        };
        let range = head.iter().find_map(|line| {
            let line = line.to_ascii_lowercase();
            let (first, last) = line.strip_prefix("range: bytes=")?.split_once('-')?;
            let last = last.parse().unwrap_or(usize::MAX).min(body.len().checked_sub(1)?);
            Some((first.parse::<usize>().ok()?, last)).filter(|(first, last)| first <= last)
        });
        let (status, part) = match range {
            Some((first, last)) => {
                let range = format!("Content-Range: bytes {first}-{last}/{}\r\n", body.len());
                (format!("206 Partial Content\r\n{range}"), &body[first..=last])
            }
            None => ("200 OK\r\n".to_owned(), body),
        };
        let length = part.len();
        let head = format!(
            "HTTP/1.1 {status}Content-Type: {kind}\r\nContent-Length: {length}\r\n\
             Accept-Ranges: bytes\r\n\r\n"
        );
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(part)).is_err() {
            return;
        }
    }
}

/// A browser that shows a page; it ends when this is dropped.
struct Browser(Child);

impl Browser {
    fn show(url: &str, folder: &Path) -> Self {
        let profile = folder.join("profile");
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio"])
            .args(["--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"])
            .args(["--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run chromium");
        Self(child)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // Its own processes end a moment later, and write to the profile until then.
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// What a browser sees of a file that is recorded from the server.
fn seen(server: &Server, media: &Media) -> Result<Seen, String> {
    let (_folder, folder) = scratch();
    record(&["-t", "--mp4", "it.mp4"], &server.url(media.file), &folder)?;
    let file = std::fs::read(folder.join("it.mp4")).map_err(|e| e.to_string())?;
    let web = Web::serve(file);
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    let _browser = Browser::show(&format!("http://{}/", web.address), &folder);
    let seen = web.seen.recv_timeout(PATIENCE).map_err(|_| "the page tells nothing".to_owned())?;
    eprintln!("{}: {seen} after {:.1} s", media.file, begun.elapsed().as_secs_f64());
    Seen::parse(&seen).ok_or(seen)
}

#[test]
fn a_browser_plays_what_is_recorded_in_mp4() {
    if !have_optional("Chromium", &["chromium", "--version"]) {
        return;
    }
    let server = Server::of_media();
    let files = ["bframes.h264", "h264_aac.mkv", "stereo.aac", "mulaw.wav", "pcm16.wav"];
    all(files.map(|file| (file.to_owned(), of_file(file))).into(), |media| {
        let seen = seen(&server, &media)?;
        let has_video = media.tracks.iter().any(|kind| kind.is_video());
        let fits = seen.state == "played"
            && (1.0..7.0).contains(&seen.duration)
            && (seen.size != (0, 0)) == has_video
            && seen.ends.iter().all(|end| (end - seen.duration).abs() < 0.3);
        if fits { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    // Whether a browser decodes H.265 depends on the machine. One that does not says so, and finds no
    // other fault.
    let media = of_file("bframes.h265");
    assert_eq!(media.tracks, [Kind::H265]);
    let seen = seen(&server, &media).expect("the page tells something");
    assert!(seen.state == "played" || seen.why.contains("supported"), "{seen:?}");
}
