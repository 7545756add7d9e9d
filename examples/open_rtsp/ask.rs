//! OPTIONS alone: what a server can do.

use crate::support::Failure;
use riverrun::client::{ClientEvent, RequestFailure, RtspClient, RtspClientConfig};
use riverrun::env::{Event, Medium, MediumHandle, UsageEnvironment};
use riverrun::wire::rtsp::{Method, Request};
use riverrun::wire::url::RtspUrl;
use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Sends OPTIONS, and tells how that went.
struct Asker {
    client: Option<RtspClient>,
    teller: Sender<Result<String, String>>,
}

impl Medium for Asker {
    fn kind(&self) -> &'static str {
        "Asker"
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let Some(client) = &mut self.client else { return };
        client.handle_event(env, event, &mut |_, _| {});
        while let Some(news) = client.poll_event() {
            let outcome = match news {
                ClientEvent::Response { response, .. } if response.status.is_success() => {
                    Ok(response.headers.joined("Public").unwrap_or_default().into_owned())
                }
                ClientEvent::Response { response, .. } => {
                    Err(format!("OPTIONS: the server says {}", response.status))
                }
                // Why is told next.
                ClientEvent::Failed { why: RequestFailure::Disconnected, .. } => continue,
                ClientEvent::Failed { why, .. } => Err(format!("OPTIONS: {why}")),
                ClientEvent::Disconnected(why) => Err(why.to_string()),
                _ => continue,
            };
            // The first is taken; the program then ends.
            let _ = self.teller.send(outcome);
        }
    }
}

/// Prints the methods of the server.
pub(crate) fn ask(
    env: &mut UsageEnvironment,
    url: &str,
    config: RtspClientConfig,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let parsed = RtspUrl::parse(url).map_err(|_| "the URL is no RTSP URL")?;
    let (teller, outcome) = channel();
    let asker = env.add(Asker { client: None, teller });
    let me: MediumHandle = asker.into();
    env.with(asker, |asker, env| {
        let mut client = RtspClient::new(config, me)?;
        client.set_server(env, &parsed)?;
        client.send(env, Request::new(Method::Options, parsed.to_string()));
        asker.client = Some(client);
        Ok::<(), riverrun::Error>(())
    })??;
    while !stop.load(Ordering::Relaxed) {
        env.turn(Some(Duration::from_secs(1)))?;
        if let Ok(outcome) = outcome.try_recv() {
            writeln!(stdout(), "{}", outcome?)?;
            break;
        }
    }
    Ok(())
}
