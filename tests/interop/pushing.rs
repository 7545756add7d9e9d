//! A file is pushed to FFmpeg's listener and to GStreamer's server (ANNOUNCE, RECORD): what they write
//! is what is in the file, bit by bit.

use crate::ffmpeg::{self, ffmpeg, outputs, read_all};
use crate::gstreamer::PYTHON;
use crate::publishing::{FILE, PATIENCE, TRACKS, compare};
use crate::server::testdata;
use crate::servers::{Running, gstreamer_is_there};
use crate::tools::{all, have, run_light, scratch};
use riverrun::client::TransportPolicy;
use riverrun::env::UsageEnvironment;
use riverrun::relay::{PushConfig, PushEvent, Pusher};
use riverrun::server::{FileSessionOptions, FolderProvider, RtspServer, ServerConfig};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A device on a thread of its own, which pushes a file once.
struct Device {
    told: mpsc::Receiver<String>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    fn start(url: &str, transport: TransportPolicy) -> Self {
        let (teller, told) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (url.to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut env = UsageEnvironment::new().expect("an event loop");
            let server = RtspServer::new(&mut env, ServerConfig::default(), &[]).expect("a server");
            let folder = testdata("media");
            let files = FolderProvider::new(&folder, FileSessionOptions::default()).expect("files");
            env.with(server, |server, _| server.set_session_provider(files)).expect("it is there");
            let mut config = PushConfig::default();
            config.transport = transport;
            config.reconnect.first_delay = Duration::from_millis(100);
            config.reconnect.longest_delay = Duration::from_millis(200);
            let ended = Arc::new(AtomicBool::new(false));
            let is_over = Arc::clone(&ended);
            let pusher = Pusher::open(&mut env, server, FILE, &url, config, move |_, event| {
                if matches!(event, PushEvent::Ended) {
                    is_over.store(true, Ordering::Relaxed);
                }
                let _ = teller.send(event.to_string());
            });
            let pusher = pusher.expect("a pusher");
            while !stopped.load(Ordering::Relaxed) {
                env.turn(Some(Duration::from_millis(100))).expect("a turn");
                if ended.load(Ordering::Relaxed) {
                    env.close(pusher);
                }
            }
        });
        Self { told, stop, thread: Some(thread) }
    }

    fn expect(&self, what: &str) -> Result<(), String> {
        let (begin, mut told) = (Instant::now(), Vec::new());
        while begin.elapsed() < PATIENCE {
            match self.told.recv_timeout(Duration::from_millis(500)) {
                Ok(event) if event.contains(what) => return Ok(()),
                Ok(event) => told.push(event),
                Err(_) => {}
            }
        }
        Err(format!("no {what:?} in {told:?}"))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the device fails");
    }
}

const WAYS: [(&str, TransportPolicy); 2] =
    [("tcp", TransportPolicy::Tcp), ("udp", TransportPolicy::Udp)];

#[test]
fn ffmpeg_takes_what_is_pushed_bit_by_bit() {
    if !ffmpeg::there() {
        return;
    }
    all(WAYS.map(|way| (way.0.to_owned(), way)).into(), |(over, transport)| {
        let (_folder, folder) = scratch();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let url = format!("rtsp://{}/cam", free.map_err(|e| e.to_string())?);
        // It connects until somebody listens.
        let device = Device::start(&url, transport);
        let mut command = ffmpeg();
        command.args(["-rtsp_flags", "listen", "-rtsp_transport", over, "-i", &url]);
        outputs(&mut command, &TRACKS, "arrived");
        let taken = run_light(&mut command, &folder, PATIENCE);
        device.expect("the stream has ended").map_err(|e| format!("{e}: {}", taken.complaints))?;
        let arrived = read_all(&folder, "arrived", TRACKS.len())
            .map_err(|e| format!("{e}: {}", taken.complaints))?;
        compare(&folder, &arrived, 1.0).map_err(|e| format!("{e}: {}", taken.complaints))
    });
}

#[test]
fn gstreamers_server_takes_what_is_pushed_bit_by_bit() {
    let elements = ["rtph264depay", "h264parse", "rtpmp4gdepay", "aacparse"];
    let has = |e: &&str| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]);
    if !gstreamer_is_there() || !elements.iter().all(has) {
        return;
    }
    all(WAYS.map(|way| (way.0.to_owned(), way)).into(), |(_, transport)| {
        let (_folder, folder) = scratch();
        let sink = |track: usize| {
            let file = folder.join(format!("arrived{track}"));
            format!("filesink sync=false async=false buffer-mode=2 location={}", file.display())
        };
        let mut command = Command::new(PYTHON);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/serve.py"));
        command.args(["", "--record"]).arg(format!(
            "cam=rtph264depay name=depay0 ! h264parse ! video/x-h264,stream-format=byte-stream ! {} \
             rtpmp4gdepay name=depay1 ! aacparse ! audio/mpeg,stream-format=adts ! {}",
            sink(0),
            sink(1)
        ));
        let server = Running::start(&mut command);
        let port: u16 = server.find(|line| line.trim().parse().ok());
        let device = Device::start(&format!("rtsp://127.0.0.1:{port}/cam"), transport);
        device.expect("pushing 2 tracks")?;
        device.expect("the stream has ended")?;
        // What is in its jitter buffer comes out when it is due.
        std::thread::sleep(Duration::from_secs(3));
        drop(server);
        let arrived = read_all(&folder, "arrived", TRACKS.len())?;
        compare(&folder, &arrived, 0.9)
    });
}
