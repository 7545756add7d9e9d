//! `open_rtsp` as its users run it: its options, and its ends.

use super::{MEDIA_SERVER, OPEN_RTSP, PATIENCE, Running, kill};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A server of `testdata/media`, and the URL of a file there.
fn serve(file: &str) -> (Running, String) {
    let mut server = MEDIA_SERVER.start(&["testdata/media"]);
    let url = server.url();
    let (base, _) = url.rsplit_once('/').expect("a path");
    let url = format!("{base}/{file}");
    (server, url)
}

/// The samples of a WAV file of G.711, and how many its header tells.
fn samples(path: &Path) -> (Vec<u8>, usize) {
    let file = std::fs::read(path).expect("it is there");
    let at = file.windows(4).position(|four| four == b"data").expect("a chunk of samples");
    let told = u32::from_le_bytes(file[at + 4..at + 8].try_into().expect("four bytes"));
    (file[at + 8..].to_vec(), told as usize)
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media").join(name)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_option_of_openrtsp_works_or_names_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let works: [&[&str]; 40] = [
        &["-t"],
        &["-T", "9"],
        &["-C"],
        &["--udp"],
        &["-p", "6000"],
        &["-I", "127.0.0.1"],
        &["-B", "100000"],
        &["-u", "bob", "s3cret"],
        &["-g", "agent"],
        &["-O"],
        &["-o"],
        &["-a"],
        &["-v"],
        &["-L"],
        &["--codec", "H264", "--codec", "PCMU"],
        &["--track", "2"],
        &["-s", "1.5"],
        &["-E", "3"],
        &["-U", "20261129T093000Z"],
        &["-U", "20261129T093000Z", "-E", "20261129T094000.5Z"],
        &["-z", "2"],
        &["-d", "1.5"],
        &["-D", "3"],
        &["-F", "front-"],
        &["-P", "5"],
        &["-m"],
        &["-4"],
        &["-q"],
        &["--mp4", "it.mp4"],
        &["--mp4", "it.mp4", "-P", "5"],
        &["-v", "-P", "5"],
        &["-S", "4"],
        &["-r"],
        &["-n"],
        &["-Q"],
        &["-Q", "5"],
        &["-V"],
        &["-K"],
        &["-b", "1000000"],
        &["-y"],
    ];
    for options in works {
        // Nobody listens at port 9.
        let mut command = OPEN_RTSP.command(&[options, &["rtsp://127.0.0.1:9/"]].concat());
        command.current_dir(folder.path()).env("RUST_LOG", "trace");
        let output = command.output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {said}");
        assert!(said.contains("cannot connect"), "{options:?}: {said}");
        assert!(!said.contains("s3cret"), "{options:?}: {said}");
    }
    let wrong: [(&[&str], &str); 24] = [
        (&["-i"], "--mp4 FILE"),
        (&["-w", "640"], "leave -f, -w and -h out"),
        (&["-f", "25"], "leave -f, -w and -h out"),
        (&["-H"], "media_server serves"),
        (&["-l"], "not repeated"),
        (&["-A", "0"], "--codec NAME"),
        (&["-M", "PCMU"], "--codec NAME"),
        (&["-R"], "give the URL"),
        (&["-k", "bob", "s3cret"], "give the URL"),
        (&["-a", "-v"], "-a and -v exclude each other"),
        (&["-t", "-T", "80"], "-t and -T exclude each other"),
        (&["-4", "--mp4", "it.mp4"], "-4 and --mp4 exclude each other"),
        (&["-4", "-P", "5"], "-4 and -P exclude each other"),
        (&["-r", "-P", "5"], "-r and -P exclude each other"),
        (&["-m", "-P", "5"], "-m and -P exclude each other"),
        (&["--mp4", "it.mp4", "-m"], "--mp4 and -m exclude each other"),
        (&["-s", "1", "-U", "20261129T093000Z"], "-s and -U exclude each other"),
        (&["-U", "yesterday"], "20261129T093000Z"),
        (&["-U", "20261129T093000Z", "-E", "5"], "-E"),
        (&["-s", "3", "-E", "2"], "ends before its start"),
        (&["-p", "5001"], "even"),
        (&["-P", "0.5"], "-P"),
        (&["-Q", "0"], "-Q"),
        (&["-d", "-5"], "-d"),
    ];
    for (options, named) in wrong {
        let output = OPEN_RTSP.output(&[options, &["rtsp://127.0.0.1:9/"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {said}");
        assert!(said.contains(named), "{options:?}: {said}");
    }
}

#[test]
fn options_alone_tell_what_the_server_can_do() {
    let (_server, url) = serve("alaw.wav");
    let output = OPEN_RTSP.output(&["-o", &url]);
    let methods = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && methods.contains("DESCRIBE, "), "{methods}");
}

#[test]
fn the_place_of_an_option_does_not_matter() {
    let (_server, url) = serve("h264_aac.mkv");
    for options in [["-4", "-v"], ["-v", "-4"]] {
        let output = OPEN_RTSP.output(&[&options[..], &["-t", "-V", "-d", "1", &url]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(output.stdout.get(4..8), Some(&b"ftyp"[..]), "{options:?}");
        let has = |what: &[u8]| output.stdout.windows(4).any(|four| four == what);
        assert!(has(b"avc1") && !has(b"mp4a"), "{options:?}");
    }
}

#[test]
fn it_plays_from_given_ports_and_says_when_it_begins() {
    let (_server, url) = serve("h264_aac.mkv");
    let place = ["-O", "-p", "47200", "-I", "127.0.0.1", "--udp"];
    let output = OPEN_RTSP.output(&[&place[..], &["-r", "-n", "-d", "1", &url]].concat());
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("plays 2 tracks over UDP\n"), "{said}");
    assert!(said.contains("the first packet has arrived\x07\n"), "{said}");
}

#[test]
fn quality_is_measured_by_intervals() {
    let (_server, url) = serve("alaw.wav");
    let output = OPEN_RTSP.output(&["-t", "-r", "-V", "-Q", "5", &url]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("begin_QOS_statistics\nsubsession\taudio/PCMA\n"), "{said}");
    assert!(said.ends_with("\nend_QOS_statistics\n"), "{said}");
    let value = |name: &str| -> f64 {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {said}"))
    };
    // Five seconds of 8,000 octets, to the last packet.
    assert_eq!(value("kBytes_received_total"), 40.0);
    assert_eq!((value("num_packets_lost"), value("packet_loss_percentage_max")), (0.0, 0.0));
    assert_eq!(value("measurement_sampling_interval_ms"), 500.0);
    let rates = ["min", "ave", "max"].map(|which| value(&format!("kbits_per_second_{which}")));
    assert!(rates.is_sorted() && rates[1] > 55.0 && rates[1] < 75.0, "{rates:?}");
    // A packet every 20 ms, and the first of a session at once.
    let gaps = ["min", "ave", "max"].map(|which| value(&format!("inter_packet_gap_ms_{which}")));
    assert!(gaps.is_sorted() && (10.0..100.0).contains(&gaps[1]), "{gaps:?}");
    let round_trip = value("round_trip_ms");
    assert!((0.0..200.0).contains(&round_trip), "{round_trip}");
    let elapsed = value("elapsed_measurement_time");
    assert!((4.5..7.0).contains(&elapsed), "{elapsed}");
}

#[test]
fn played_again_it_goes_on_in_the_same_file() {
    let (_server, url) = serve("mulaw.wav");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = OPEN_RTSP.command(&["-t", "-V", "-c", "-d", "7", &url]);
    let output = command.current_dir(folder.path()).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let (written, told) = samples(&folder.path().join("audio-PCMU-1"));
    let (played, _) = samples(&source("mulaw.wav"));
    assert!((45_000..60_000).contains(&written.len()), "{} samples", written.len());
    assert_eq!(told, written.len());
    assert!(written == [&played[..], &played[..written.len() - played.len()]].concat());
}

/// A server whose every play is at its end as soon as it has begun. Returns its URL, and a counter of
/// its plays.
fn serve_ends() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("rtsp://{}/x", listener.local_addr().expect("an address"));
    let plays = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&plays);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().expect("another handle")).lines();
            let (mut method, mut cseq) = (String::new(), String::new());
            for line in lines.map_while(Result::ok) {
                if let Some(value) = line.strip_prefix("CSeq: ") {
                    cseq = value.to_owned();
                }
                // The end of what was sent interleaved may stand in front.
                if line.ends_with(" RTSP/1.0") {
                    method = line.split(' ').next().unwrap_or_default().to_owned();
                }
                if !line.is_empty() {
                    continue;
                }
                let (mut head, mut body) = (String::new(), "");
                let mut last_words: &[u8] = &[];
                if method.ends_with("DESCRIBE") {
                    body = "v=0\r\na=range:npt=0-1\r\nm=audio 0 RTP/AVP 0\r\na=control:t\r\n";
                    head = format!("Content-Length: {}\r\n", body.len());
                } else if method.ends_with("SETUP") {
                    let transport = "RTP/AVP/TCP;interleaved=0-1;ssrc=00000005";
                    head = format!("Session: 1\r\nTransport: {transport}\r\n");
                } else if method.ends_with("PLAY") {
                    counter.fetch_add(1, Ordering::Relaxed);
                    // A receiver report and a BYE.
                    last_words =
                        &[36, 1, 0, 16, 0x80, 201, 0, 1, 0, 0, 0, 5, 0x81, 203, 0, 1, 0, 0, 0, 5];
                }
                let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{head}\r\n{body}");
                if stream.write_all(&[answer.as_bytes(), last_words].concat()).is_err() {
                    break;
                }
            }
        }
    });
    (url, plays)
}

#[test]
fn a_server_that_ends_each_play_at_once_is_not_asked_all_the_time() {
    let (url, plays) = serve_ends();
    let output = OPEN_RTSP.output(&["-t", "-r", "-c", "-d", "4", &url]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    // After one second, two seconds, and so on.
    let plays = plays.load(Ordering::Relaxed);
    assert!((2..=4).contains(&plays), "{plays}: {said}");
}

#[test]
fn what_was_not_played_is_told() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("rtsp://{}/x", silent.local_addr().expect("an address"));
    let mut command = OPEN_RTSP.command(&["-t", "-r", &url]);
    let child = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let (_connection, _) = silent.accept().expect("it connects");
    let id = i32::try_from(child.id()).expect("process ids are small");
    kill(Pid::from_raw(id), Signal::SIGINT).expect("it runs");
    let started = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    assert!(started.elapsed() < PATIENCE / 10, "it waits for nobody");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.ends_with("open_rtsp: it was ended before anything was played\n"), "{said}");
    let (_server, url) = serve("alaw.wav");
    let nothing = url.replace("alaw.wav", "nothing.wav");
    for (url, named) in [
        (&*nothing, "DESCRIBE: the server says 404"),
        ("rtsp://127.0.0.1:1/x", "cannot connect: Connection refused"),
        ("rtsp://no-such-host.invalid/x", "the host name "),
        ("http://127.0.0.1/x", "the URL is no RTSP URL"),
        ("x", "the URL is no RTSP URL"),
    ] {
        let output = OPEN_RTSP.output(&["-t", "-r", url]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{url}: {said}");
        assert!(said.contains(named), "{url}: {said}");
    }
}

/// A recorder whose files end at this many blocks of 512 bytes.
#[test]
fn a_file_that_is_full_ends_and_the_others_go_on() {
    let (_server, url) = serve("h264_aac.mkv");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 120 && exec \"$0\" \"$@\""]).arg(OPEN_RTSP.path());
    command.args(["-t", "-V", &url]).current_dir(folder.path()).stdin(Stdio::null());
    let output = command.env_remove("RUST_LOG").output().expect("it runs");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let complaints: Vec<_> = said.lines().collect();
    assert_eq!(complaints.len(), 2, "{said}");
    assert!(complaints[0].starts_with("video-H264-1: File too large"), "{said}");
    assert_eq!(complaints[1], "open_rtsp: the recording is not complete");
    let length = |name: &str| folder.path().join(name).metadata().expect("it is there").len();
    assert_eq!(length("video-H264-1"), 120 * 512);
    assert_eq!(length("audio-MPEG4-GENERIC-2"), 41_750, "all of it");
}

#[test]
fn where_nothing_more_can_be_written_it_ends() {
    let (_server, url) = serve("h264_aac.mkv");
    for option in ["-v", "-4"] {
        let full = File::options().write(true).open("/dev/full").expect("a full disk");
        let started = Instant::now();
        let output = OPEN_RTSP.command(&["-t", option, &url]).stdout(full).output();
        let output = output.expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("standard output: No space left on device"), "{said}");
        assert!(started.elapsed() < Duration::from_secs(4), "it was not played to the end");
    }
    // Whoever reads what is written has gone away.
    let mut command = OPEN_RTSP.command(&["-t", "-V", "-v", &url]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut [0; 1000]).expect("it begins");
    drop(out);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Broken pipe"), "{}", stderr(&output));
    // Nor can a file be made.
    let output = OPEN_RTSP.output(&["-t", "-F", "no/such/folder/", &url]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no/such/folder/video-H264-1: "), "{said}");
}

#[test]
fn each_signal_completes_the_files() {
    let (_server, url) = serve("alaw.wav");
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1];
    let start = |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = OPEN_RTSP.command(&["-t", "-n", &url]);
        let command = command.current_dir(folder.path()).stderr(Stdio::piped());
        (command.spawn().expect("it runs"), folder)
    };
    let running: Vec<_> = signals.iter().map(start).collect();
    std::thread::sleep(Duration::from_secs(2));
    for ((child, folder), signal) in running.into_iter().zip(signals) {
        let id = i32::try_from(child.id()).expect("process ids are small");
        kill(Pid::from_raw(id), signal).expect("it runs");
        let started = Instant::now();
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{signal}: {}", stderr(&output));
        assert!(started.elapsed() < PATIENCE / 10, "it waits for nobody");
        let (written, told) = samples(&folder.path().join("audio-PCMA-1"));
        let (played, _) = samples(&source("alaw.wav"));
        assert!(told > 8_000 && told == written.len(), "{signal}: {told} of {}", written.len());
        assert!(played.starts_with(&written), "{signal}");
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn a_terminal_has_a_line_of_progress() {
    let there = Command::new("script").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED: script is not installed");
    }
    let (_server, url) = serve("alaw.wav");
    let program = OPEN_RTSP.path();
    let command = format!("'{}' -t -r -d 3 '{url}'", program.display());
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).output();
    let shown = String::from_utf8(output.expect("it runs").stdout).expect("text");
    let lines: Vec<_> = shown.split("\r\x1B[K\x1B[?7l").skip(1).collect();
    assert!((4..12).contains(&lines.len()), "two a second: {shown:?}");
    let last = lines.last().and_then(|line| line.split("\x1B[?7h\r").next()).unwrap_or_default();
    let words: Vec<_> = last.split_whitespace().collect();
    let [seconds, "s", "audio/PCMA:", packets, "packets,", "0", "lost,", rate, "kbit/s"] =
        words[..]
    else {
        panic!("{last:?}")
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    assert!((1.9..3.6).contains(&number(seconds)), "{last:?}");
    assert!(number(packets) > 50.0 && (50.0..90.0).contains(&number(rate)), "{last:?}");
    assert!(shown.ends_with("\r\x1B[K"), "it is taken away at the end: {shown:?}");
}
