//! The programs of `examples/`, run as their users run them: help, wrong arguments, serving and
//! the end on SIGINT. `cargo test` builds them; before `cargo test --test programs` alone run
//! `cargo build --examples`.

#[path = "programs/client.rs"]
mod client;
#[path = "programs/live_tracks.rs"]
mod live_tracks;
#[path = "programs/open_rtsp.rs"]
mod open_rtsp;

use client::{Client, has_bye, header};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A program that takes longer is taken to hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program, its source, and the option for its port; that is empty if the program does not
/// listen.
struct Program {
    name: &'static str,
    source: &'static str,
    port_option: &'static str,
}

macro_rules! program {
    ($name:literal, $port_option:literal) => {
        program!($name, $port_option, concat!("../examples/", $name, ".rs"))
    };
    // The options are in a file of their own.
    ($name:literal, $port_option:literal, $source:expr) => {
        Program { name: $name, source: include_str!($source), port_option: $port_option }
    };
}

const MEDIA_SERVER: Program = program!("media_server", "--port");
const ON_DEMAND_SERVER: Program = program!("on_demand_server", "--port");
const MULTICAST_STREAMER: Program = program!("multicast_streamer", "--rtsp-port");
const LIVE_SOURCE: Program = program!("live_source", "--port");
const CUSTOM_SUBSESSION: Program = program!("custom_subsession", "--port");
const CUSTOM_PAYLOAD: Program = program!("custom_payload", "--port");
const NESTED_LOOP: Program = program!("nested_loop", "--port");
const CAMERA: Program = program!("camera", "--port");
const RECEIVER: Program = program!("receiver", "--port");
const RTSP_CLIENT: Program = program!("rtsp_client", "");
const OPEN_RTSP: Program = program!("open_rtsp", "", "../examples/open_rtsp/options.rs");
const RTSP_PROBE: Program = program!("rtsp_probe", "", "../examples/rtsp_probe/main.rs");
const PROXY_SERVER: Program = program!("proxy_server", "-p");
const RTSP_USERS: Program = program!("rtsp_users", "");
const RTSP_LOAD: Program = program!("rtsp_load", "");
const RECEIVE_LIMIT: Program = program!("receive_limit", "");
const RELAY: Program = program!("relay", "", "../examples/relay/main.rs");
const PROGRAMS: [Program; 17] = [
    MEDIA_SERVER,
    ON_DEMAND_SERVER,
    MULTICAST_STREAMER,
    LIVE_SOURCE,
    CUSTOM_SUBSESSION,
    CUSTOM_PAYLOAD,
    NESTED_LOOP,
    CAMERA,
    RECEIVER,
    RTSP_CLIENT,
    OPEN_RTSP,
    RTSP_PROBE,
    PROXY_SERVER,
    RTSP_USERS,
    RTSP_LOAD,
    RECEIVE_LIMIT,
    RELAY,
];

impl Program {
    /// Where it lies beside the tests.
    fn path(&self) -> PathBuf {
        let tests = std::env::current_exe().expect("a test has an executable");
        let profile = tests.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
        let path = profile.join("examples").join(self.name);
        assert!(path.exists(), "{} is missing: run `cargo build --examples`", path.display());
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path());
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        // What the programs log by themselves is part of what is tested.
        command.env_remove("RUST_LOG");
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output();
        output.unwrap_or_else(|e| panic!("{} does not run: {e}", self.name))
    }

    /// The options that its source knows.
    fn options(&self) -> BTreeSet<String> {
        let code = self.source.split_once("fn options").map_or("", |(_, code)| code);
        let names = code.match_indices("\"--").filter_map(|(at, _)| {
            let name = code.get(at + 1..)?;
            Some(name.split(['"', ' ', ':']).next()?.to_owned())
        });
        let of_servers = ["--bind", self.port_option].into_iter().filter(|_| self.listens());
        names.chain(of_servers.chain(["--help"]).map(str::to_owned)).collect()
    }

    const fn listens(&self) -> bool {
        !self.port_option.is_empty()
    }

    /// Starts it on a free port of this host.
    fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, Stdio::null())
    }

    fn start_with(&self, arguments: &[&str], stdin: Stdio) -> Running {
        let place = ["--bind", "127.0.0.1", self.port_option, "0"];
        let mut command = self.command(&[&place, arguments].concat());
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", self.name));
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, out }
    }
}

/// A program that runs; killed with the test.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// The next URL that it prints.
    fn url(&mut self) -> String {
        let line = self.line();
        let url = line.split_whitespace().next().unwrap_or_default();
        assert!(url.starts_with("rtsp://127.0.0.1:"), "{line:?}");
        url.to_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("standard output is text");
        line
    }

    fn interrupt(&self) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        kill(Pid::from_raw(id), Signal::SIGINT).expect("it runs");
    }

    /// How it ends, and what it has said on standard error.
    fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut log = String::new();
        let mut err = self.child.stderr.take().expect("piped");
        err.read_to_string(&mut log).expect("the log is text");
        (status, log)
    }
}

/// Describes and plays what the program serves first, with as many viewers; then interrupts it:
/// each viewer gets a BYE and the end, and the program ends in order. Returns the SDP.
fn serves_and_ends(program: &Program, arguments: &[&str], viewers: usize) -> String {
    let mut running = program.start(arguments);
    let url = running.url();
    let mut clients: Vec<_> = (0..viewers).map(|_| Client::connect(&url)).collect();
    let mut sdp = String::new();
    for client in &mut clients {
        sdp = client.describe();
        client.play();
        client.wait_for_rtp();
    }
    running.interrupt();
    for mut client in clients {
        let mut bye = false;
        while let Some((channel, packet)) = client.packet() {
            bye |= channel == 1 && has_bye(&packet);
        }
        assert!(bye, "{}: the connection ends without a BYE", program.name);
    }
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    for what in ["starts: ", "ends: "] {
        let lines = log.lines().filter(|line| line.contains(what)).count();
        assert_eq!(lines, viewers, "one line a session that {what}\n{log}");
    }
    sdp
}

#[test]
fn help_tells_every_option() {
    for program in PROGRAMS {
        for flag in ["--help", "-h"] {
            let output = program.output(&[flag]);
            assert!(output.status.success(), "{}", program.name);
            let help = String::from_utf8(output.stdout).expect("help is text");
            for option in program.options() {
                let told = help.lines().any(|l| l.split_whitespace().any(|word| word == option));
                assert!(told, "{} does not tell of {option}", program.name);
            }
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    let wrong: [(&Program, &[&str], &str); 53] = [
        (&PROXY_SERVER, &[], "no URL"),
        (&PROXY_SERVER, &["-R", "rtsp://h/a"], "REGISTER"),
        (&PROXY_SERVER, &["-t", "--udp", "rtsp://h/a"], "exclude"),
        (&PROXY_SERVER, &["--always", "--keep-warm", "rtsp://h/a"], "exclude"),
        (&PROXY_SERVER, &["rtsp://h/a", "--name", "b"], "no URL follows"),
        (&PROXY_SERVER, &["-p", "x", "rtsp://h/a"], "-p"),
        (&PROXY_SERVER, &["-D", "0", "rtsp://h/a"], "time-out"),
        (&PROXY_SERVER, &["-p", "0", "http://h/secret"], "proxyStream"),
        (&RTSP_USERS, &[], "users file"),
        (&RTSP_USERS, &["users", "watch"], "watch"),
        (&MEDIA_SERVER, &["--users", "no/such/file"], "no/such/file"),
        (&MEDIA_SERVER, &["--max-buffered", "some"], "--max-buffered"),
        (&MEDIA_SERVER, &["--bogus"], "--bogus"),
        (&ON_DEMAND_SERVER, &["--bogus"], "--bogus"),
        (&MULTICAST_STREAMER, &["--bogus"], "--bogus"),
        (&LIVE_SOURCE, &["--bogus"], "--bogus"),
        (&CUSTOM_SUBSESSION, &["surplus"], "surplus"),
        (&NESTED_LOOP, &["surplus"], "surplus"),
        (&CUSTOM_PAYLOAD, &["--rate", "0"], "--rate"),
        (&MEDIA_SERVER, &["--port", "65536"], "--port"),
        (&MEDIA_SERVER, &["--port"], "--port"),
        (&MEDIA_SERVER, &["--loop=yes"], "--loop"),
        (&MEDIA_SERVER, &["--bind", "somewhere"], "--bind"),
        (&MEDIA_SERVER, &["no/such/folder"], "no/such/folder"),
        (&ON_DEMAND_SERVER, &["--port", "0", "--dir", "src"], "src"),
        (&MULTICAST_STREAMER, &[], "FILE"),
        (&MULTICAST_STREAMER, &["--group", "10.0.0.1", "x.ts"], "10.0.0.1"),
        (&MULTICAST_STREAMER, &["--port", "18889", "x.ts"], "--port"),
        (&LIVE_SOURCE, &["no/such/file.h264"], "no/such/file.h264"),
        (&CAMERA, &["--max-loss", "much"], "--max-loss"),
        (&CAMERA, &["no/such/file.h264"], "no/such/file.h264"),
        (&RECEIVER, &["--bogus"], "--bogus"),
        (&RECEIVER, &[], "FORMAT"),
        (&RECEIVER, &["audio/BOGUS/8000"], "BOGUS"),
        (&RECEIVER, &["--interface", "nowhere", "audio/L8/8000"], "nowhere"),
        (&RTSP_CLIENT, &["--bogus"], "--bogus"),
        (&RTSP_CLIENT, &[], "URL"),
        (&RTSP_CLIENT, &["http://127.0.0.1/"], "URL"),
        (&OPEN_RTSP, &[], "URL"),
        (&OPEN_RTSP, &["-s", "soon", "rtsp://127.0.0.1/"], "-s"),
        (&OPEN_RTSP, &["-D", "0", "rtsp://127.0.0.1/"], "zero"),
        (&OPEN_RTSP, &["rtsp://127.0.0.1:9/"], "cannot connect"),
        (&RTSP_PROBE, &[], "URL"),
        (&RTSP_PROBE, &["ftp://127.0.0.1/"], "URL"),
        (&RTSP_PROBE, &["--seconds", "-1", "rtsp://127.0.0.1/"], "--seconds"),
        (&RTSP_LOAD, &[], "URL"),
        (&RTSP_LOAD, &["--transport", "pigeon", "rtsp://127.0.0.1/"], "--transport"),
        (&RTSP_LOAD, &["--rate", "0", "rtsp://127.0.0.1/"], "--rate"),
        (&RTSP_LOAD, &["--pid", "0", "rtsp://127.0.0.1/"], "--pid"),
        (&RTSP_LOAD, &["--warm-up", "0", "rtsp://127.0.0.1:9/"], "1 failures"),
        (&RECEIVE_LIMIT, &[], "URL"),
        (&RELAY, &["--bogus"], "--bogus"),
        (&RELAY, &["no/such/file"], "no/such/file"),
    ];
    for (program, arguments, named) in wrong {
        let output = program.output(arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{} {arguments:?}: {message}", program.name);
        assert!(message.contains(named), "{} {arguments:?}: {message}", program.name);
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let arguments = ["--bind", "127.0.0.1", "--port", &port];
    let output = CUSTOM_SUBSESSION.output(&arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&port), "{message}");
}

#[test]
fn media_server_serves_a_folder() {
    let help = MEDIA_SERVER.output(&["--help"]).stdout;
    let help = String::from_utf8_lossy(&help);
    let mut running = MEDIA_SERVER.start(&[]);
    let mut urls = vec![running.url()];
    while !urls.iter().any(|url| url.ends_with("/vp9_opus.webm")) {
        urls.push(running.url());
    }
    assert!(urls.iter().any(|url| url.ends_with("/a%20file.mkv")), "{urls:?}");
    let all = cfg!(all(
        feature = "mp4",
        feature = "more-files",
        feature = "video-formats",
        feature = "audio-formats"
    ));
    for entry in std::fs::read_dir("testdata/media").unwrap().filter(|_| all) {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let end = format!("/{}", name.replace(' ', "%20"));
        assert!(urls.iter().any(|url| url.ends_with(&end)), "{name} is not listed: {urls:?}");
        let ending = format!(".{}", name.rsplit('.').next().unwrap());
        assert!(help.split_whitespace().any(|word| word == ending), "{ending}: {help}");
    }
    drop(running);
    serves_and_ends(&MEDIA_SERVER, &["--loop", "testdata/media"], 1);
}

#[test]
fn on_demand_server_serves_each_format() {
    let mut running = ON_DEMAND_SERVER.start(&[]);
    for (name, encoding) in [
        ("h264ESVideoTest", "H264/90000"),
        ("h265ESVideoTest", "H265/90000"),
        ("aacAudioTest", "MPEG4-GENERIC/44100/2"),
        ("mp3AudioTest", "MPA/90000"),
        ("wavAudioTest", "L16/44100/2"),
        ("mpeg2TransportStreamTest", "MP2T/90000"),
        ("matroskaFileTest", "H264/90000"),
    ] {
        let line = running.line();
        let url = line.split_whitespace().next().unwrap_or_default();
        assert!(url.ends_with(name) && line.contains("testdata/media/"), "{line}");
        let sdp = Client::connect(url).describe();
        assert!(sdp.to_ascii_uppercase().contains(encoding), "{name}: {sdp}");
    }
    drop(running);
    serves_and_ends(&ON_DEMAND_SERVER, &["--reuse-first-source"], 2);
}

#[test]
fn live_source_serves_two_viewers_from_key_frames() {
    for shared in [&["--report", "1"][..], &["--reuse-first-source"]] {
        let sdp = serves_and_ends(&LIVE_SOURCE, shared, 2);
        // Picked up from the stream: the program was not told them.
        assert!(sdp.contains("sprop-parameter-sets="), "{sdp}");
    }
}

#[test]
fn proxy_server_serves_what_another_server_has() {
    let mut source = LIVE_SOURCE.start(&[]);
    let url = source.url();
    let sdp = serves_and_ends(&PROXY_SERVER, &["-v", "--name", "hall", &url], 2);
    assert!(sdp.contains("H264/90000"), "{sdp}");
    // Several, and one that nobody is behind.
    let urls = ["-V", "-e", "cam", &url, "rtsp://admin:s3cret@127.0.0.1:9/gone"];
    let mut proxy = PROXY_SERVER.start(&urls);
    let served = [proxy.url(), proxy.url()];
    assert!(served[0].ends_with("/cam-1") && served[1].ends_with("/cam-2"), "{served:?}");
    let mut viewer = Client::connect(&served[0]);
    viewer.describe();
    viewer.play();
    viewer.wait_for_rtp();
    let mut waits = TcpStream::connect(&served[1][7..served[1].len() - 6]).expect("it listens");
    let describe = format!("DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", served[1]);
    waits.write_all(describe.as_bytes()).expect("the server reads");
    let deadline = Instant::now() + PATIENCE;
    let mut log = BufReader::new(proxy.child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("cam-2: source cannot be opened") {
        assert!(Instant::now() < deadline && log.read_line(&mut said).is_ok_and(|n| n > 0));
    }
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn custom_subsession_serves_its_tone() {
    let sdp = serves_and_ends(&CUSTOM_SUBSESSION, &[], 1);
    assert!(sdp.contains("L16/8000"), "{sdp}");
}

#[test]
fn custom_payload_serves_a_format_of_its_own() {
    let sdp = serves_and_ends(&CUSTOM_PAYLOAD, &["--rate", "100"], 2);
    for line in ["m=application 0 RTP/AVP 96", "X-READINGS/1000", "rate=100;unit=celsius"] {
        assert!(sdp.contains(line), "{sdp}");
    }
}

#[test]
fn camera_serves_video_and_a_codec_of_its_own() {
    let sdp = serves_and_ends(&CAMERA, &[], 2);
    for line in ["H264/90000", "m=application 0 RTP/AVP 97", "a=rtpmap:97 X-CELSIUS/1000"] {
        assert!(sdp.contains(line), "{sdp}");
    }
}

#[test]
fn camera_challenges_a_stranger() {
    let mut running = CAMERA.start(&["--user", "bob:secret"]);
    let url = running.url();
    let mut client = Client::connect(&url);
    let request = format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    client.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(client.stream.read_line(&mut head).expect("an answer"), 0, "{head}");
    }
    assert!(head.starts_with("RTSP/1.0 401 "), "{head}");
    assert_eq!(header(&head, "WWW-Authenticate"), Some("Basic realm=\"camera\""));
    let (_, sdp) = client.request("DESCRIBE", "", "Authorization: Basic Ym9iOnNlY3JldA==\r\n");
    assert!(sdp.contains("H264/90000"), "{sdp}");
}

#[test]
fn camera_ends_the_session_of_who_loses_too_much() {
    let mut running = CAMERA.start(&["--max-loss", "10"]);
    let mut client = Client::connect(&running.url());
    client.play();
    let ssrc = loop {
        match client.packet().expect("it streams") {
            (0, rtp) => break <[u8; 4]>::try_from(&rtp[8..12]).expect("four bytes"),
            _ => continue,
        }
    };
    // A receiver report (RFC 3550 section 6.4.2): half of the packets are lost.
    let mut report = vec![b'$', 1, 0, 32, 0x81, 201, 0, 7, 0, 0, 0, 9];
    report.extend(ssrc);
    report.extend([128, 0, 0, 50]);
    report.extend([0; 16]);
    client.stream.get_mut().write_all(&report).expect("the server reads");
    let started = Instant::now();
    loop {
        let (channel, packet) = client.packet().expect("the connection stays open");
        if channel == 1 && has_bye(&packet) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the session goes on");
    }
}

#[test]
fn nested_loop_serves_beside_what_is_typed() {
    serves_and_ends(&NESTED_LOOP, &[], 1);
    let mut running = NESTED_LOOP.start_with(&[], Stdio::piped());
    let mut client = Client::connect(&running.url());
    client.describe();
    let mut keyboard = running.child.stdin.take().expect("piped");
    keyboard.write_all(b"?\n").expect("it reads");
    let mut log = BufReader::new(running.child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("1 connections") {
        line.clear();
        assert_ne!(log.read_line(&mut line).expect("the log is text"), 0, "it has ended");
    }
    // The end of what is typed is not that of the server.
    drop(keyboard);
    client.play();
    client.wait_for_rtp();
}

#[test]
fn multicast_streamer_describes_its_group_and_says_goodbye() {
    // Ports of a group are shared, so those of other programs are no trouble.
    let group = Ipv4Addr::new(239, 255, 77, 1);
    let rtcp_port = 26_001;
    let place = ["--interface", "127.0.0.1", "--ttl", "0", "--loop", "--port", "26000"];
    let arguments = [&place[..], &["--group", "239.255.77.1", "testdata/media/slices.264"]];
    let mut member = join(group, rtcp_port).expect("multicast on the loopback interface");
    let mut running = MULTICAST_STREAMER.start(&arguments.concat());
    let sdp = Client::connect(&running.url()).describe();
    assert!(sdp.contains("m=video 26000 RTP/AVP 96"), "{sdp}");
    assert!(sdp.contains("c=IN IP4 239.255.77.1/0"), "{sdp}");
    let mut buffer = [0; 2048];
    let n = member.read(&mut buffer).expect("RTCP comes before the patience ends");
    running.interrupt();
    let mut bye = buffer.get(..n).is_some_and(has_bye);
    while !bye {
        let n = member.read(&mut buffer).expect("a BYE comes before the patience ends");
        bye = buffer.get(..n).is_some_and(has_bye);
    }
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn multicast_streamer_ends_with_its_file() {
    let place = ["--interface", "127.0.0.1", "--ttl", "0", "--port", "26010", "--ssm"];
    let arguments = [&place[..], &["testdata/media/alaw.wav"]].concat();
    let mut running = MULTICAST_STREAMER.start(&arguments);
    let sdp = Client::connect(&running.url()).describe();
    assert!(sdp.contains("a=source-filter: incl IN IP4 * 127.0.0.1"), "{sdp}");
    assert!(sdp.contains("m=audio 26010 RTP/AVP 8"), "{sdp}");
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// RTP packet `sequence` of a stream of PCMU, with as many samples as octets.
fn pcmu_packet(sequence: u8) -> Vec<u8> {
    let head = [0x80, 0, 0, sequence, 0, 0, sequence, 0, 0, 0, 0, SSRC];
    [&head[..], &[sequence; 160]].concat()
}

/// SSRC of the streams that are sent here.
const SSRC: u8 = 77;

#[test]
fn receiver_writes_what_arrives_until_the_bye() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("its name is text");
    let mut running = RECEIVER.start(&["--payload-type", "0", "audio/PCMU/8000", path]);
    let line = running.line();
    let rtp: SocketAddr = line
        .strip_prefix("receives at ")
        .and_then(|address| address.trim().parse().ok())
        .unwrap_or_else(|| panic!("{line:?}"));
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);

    let sender = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    sender.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let send = |packet: &[u8], to| assert_eq!(sender.send_to(packet, to).ok(), Some(packet.len()));
    for sequence in [1, 2, 4] {
        send(&pcmu_packet(sequence), rtp);
    }
    // A sender report tells where reports go; one comes back.
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<_>>();
    send(&words(&[0x80c8_0006, SSRC.into(), 1, 2, 3, 4, 5]), rtcp);
    let mut report = [0; 1500];
    let (n, from) = sender.recv_from(&mut report).expect("a report before the patience ends");
    assert_eq!((from, report[1]), (rtcp, 201), "{:?}", &report[..n]);
    assert_eq!(report[8..12], u32::from(SSRC).to_be_bytes(), "it is about the stream");
    assert_eq!(report[12], 64, "a quarter was lost");

    send(&words(&[0x80c9_0001, SSRC.into(), 0x81cb_0001, SSRC.into()]), rtcp);
    assert_eq!(running.line(), "3 frames, 3 packets, 1 lost\n");
    let (n, _) = sender.recv_from(&mut report).expect("a BYE before the patience ends");
    assert!(has_bye(&report[..n]));
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    let written = std::fs::read(file.path()).expect("it is there");
    assert_eq!(written, [[1; 160], [2; 160], [4; 160]].concat());
}

/// A member of the group on the loopback interface.
fn join(group: Ipv4Addr, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(SocketAddr::from((group, port))))?;
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(socket)
}

#[test]
fn the_client_plays_what_the_server_serves() {
    let mut server = MEDIA_SERVER.start(&["testdata/media"]);
    let url = server.url();
    let (base, _) = url.rsplit_once('/').expect("a path");
    let url = format!("{base}/h264_aac.mkv");
    for transport in ["--udp", "--tcp"] {
        let output = RTSP_CLIENT.output(&[transport, &url]);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{text}");
        let frames = text.lines().filter(|line| line.contains(" bytes")).count();
        assert_eq!(frames, 342, "{text}");
        assert!(text.contains("tracks: H264, MPEG4-GENERIC"), "{text}");
        assert!(text.ends_with("ended: the end of the presentation\n"), "{text}");
    }
    let output = OPEN_RTSP.output(&["-v", "-V", &url]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(output.stdout.starts_with(&[0, 0, 0, 1]) && output.stdout.len() > 90_000);
    let output = OPEN_RTSP.output(&["-t", "-4", "-V", "-d", "2", &url]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(output.stdout.get(4..8), Some(&b"ftyp"[..]));
    assert!((20_000..80_000).contains(&output.stdout.len()), "{}", output.stdout.len());
    // A server that goes away is waited for, until the program is interrupted.
    let mut running = RTSP_CLIENT.command(&[&url]);
    let mut child = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut client = Running { out: BufReader::new(child.stdout.take().expect("piped")), child };
    while !client.line().contains(" bytes") {}
    drop(server);
    while !client.line().contains("again in") {}
    client.interrupt();
    let (status, log) = client.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}
