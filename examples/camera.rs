//! A camera with a sensor, for viewers who know the password. It makes key frames when they need
//! them, logs how the video arrives at each, and ends the session of one who loses too much.

#[path = "support/encoder.rs"]
mod encoder;
mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use encoder::{Next, encode};
use riverrun::codec::OtherCodec;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::media::live::{LiveSender, Sent};
use riverrun::payload::FormatRegistry;
use riverrun::server::{
    Admission, DecideLater, Decision, LiveTrackOptions, RequestInfo, RtspServer, ServerConfig,
    ServerHooks,
};
use riverrun::wire::rtsp::StatusCode;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use support::{Arguments, Failure, Listen, Program, Stop};

const HELP: &str = "\
Serves a camera over RTSP as rtsp://HOST:8554/camera: a file stands in for its encoder.

Usage: camera [OPTIONS] [FILE]

  FILE                H.264 or H.265 (default: testdata/media/bframes.h264)
  --bind ADDR         listen on this address only (default: all)
  --port N            listen on this port (default: 8554; 0: any)
  --user NAME:SECRET  let in only who gives this name and password (default: everybody)
  --max-loss PERCENT  end the session of a viewer who reports more loss (default: 100, nobody's)
  --help              this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
";

/// Asks for a name and a password (RFC 2617 section 2).
struct Door(Option<String>);

impl ServerHooks for Door {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        let Some(user) = &self.0 else { return Admission::Allow(None).into() };
        let expected = STANDARD.encode(user);
        let given = request.request.headers.value("Authorization").unwrap_or_default();
        if given.strip_prefix("Basic ") == Some(&*expected) {
            return Admission::Allow(Some(user.clone())).into();
        }
        let refused = Admission::refuse(StatusCode::UNAUTHORIZED);
        refused.header("WWW-Authenticate", "Basic realm=\"camera\"").into()
    }
}

fn main() -> std::process::ExitCode {
    support::run("camera", HELP, options, serve)
}

const SECOND: Duration = Duration::from_secs(1);

type Options = (Listen, PathBuf, Option<String>, f64);
fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let (mut listen, mut user, mut max_loss) = (Listen::default(), None, 100.0);
    let mut file = "testdata/media/bframes.h264".into();
    while let Some(argument) = arguments.next(&mut listen)? {
        match argument.name() {
            Some(name @ "--user") => user = Some(arguments.parsed(name, "text")?),
            Some(name @ "--max-loss") => max_loss = arguments.number(name)?,
            None => file = argument.into_value().into(),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok((listen, file, user, max_loss))
}

fn serve((listen, file, user, max_loss): Options) -> Result<(), Failure> {
    let file = support::probe_file(&file)?;
    let video = file.tracks().first().ok_or("the file has no track")?.parameters.clone();
    // A codec of one's own: each payload is what the sensor hands over.
    let readings = LiveTrackOptions::new(OtherCodec::new("application", "X-CELSIUS", 1000).into());
    let tracks = [LiveTrackOptions::new(video), readings.with_formats(FormatRegistry::opaque())];
    let mut program = Program::new(ServerConfig::default(), listen)?;
    let [video, readings] = program.with(|server, env| {
        server.set_hooks(Door(user));
        server.add_live_stream(env, "camera", tracks)
    })??;
    let server = program.server;
    watch(&mut program.env, server, max_loss / 100.0);
    let next = |v: &LiveSender| if v.key_frame_wanted() { Next::KeyFrame } else { Next::Frame };
    let encoder = thread::spawn(move || encode(file, &video, next));
    let sensor = thread::spawn(move || {
        let start = Instant::now();
        while readings.send_access_unit(b"21.5".to_vec(), start.elapsed()) != Sent::Closed {
            thread::sleep(SECOND);
        }
    });
    program.print_url("camera", "")?;
    program.serve()?;
    encoder.join().and_then(|()| sensor.join()).map_err(|_| "a thread has panicked".into())
}

/// Looks every five seconds how the tracks arrive, and ends sessions that lose too much.
fn watch(env: &mut UsageEnvironment, server: MediumId<RtspServer>, max_loss: f64) {
    env.schedule_delayed_task(5 * SECOND, move |env| {
        let watched = env.with(server, |server, env| {
            for session in server.pool().keys() {
                let tracks = server.client_statistics(session);
                let tracks = tracks.inspect(|track| log::info!("{session}: {:?}", track.delivery));
                let loss = tracks.filter_map(|t| Some(t.delivery.reception?.lost_share()));
                if loss.fold(0.0, f64::max) > max_loss {
                    server.end_client_session(env, session);
                }
            }
        });
        if watched.is_ok() {
            watch(env, server, max_loss);
        }
    });
}
