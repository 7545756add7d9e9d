//! Checks how a server keeps to RFC 2326 and RFC 3550, by what any client may do: nothing is changed
//! at the server, and each session is ended.

mod description;
mod list;
mod media;
mod playing;
mod record;
mod requests;
mod setup;

pub(crate) use list::{Check, Checked, Verdict};
pub(crate) use record::TrackRecord;

use crate::Options;
use crate::dialogue::{Answer, Dialogue};
use crate::status::Status;
use crate::support::Failure;
use list::List;
use riverrun::client::{MediaSession, RtspClientConfig, TransportPolicy};
use riverrun::wire::rtsp::{Method, Request};
use riverrun::wire::url::RtspUrl;
use std::time::Duration;

/// The checks in progress.
struct Checker {
    talk: Dialogue,
    list: List,
    /// Without credentials.
    url: String,
    policy: TransportPolicy,
    duration: Duration,
    /// The methods that the server says it offers.
    public: Vec<String>,
    /// The payload types of each medium of the description.
    payload_types: Vec<Vec<u8>>,
}

/// Why no further check can be made.
enum Cut {
    /// The server is not as a probe needs it.
    Server(Status, String),
    /// The program cannot go on.
    Program(Failure),
}

impl From<Failure> for Cut {
    fn from(e: Failure) -> Self {
        Self::Program(e)
    }
}

/// Makes all the checks.
pub(crate) fn run(options: &Options) -> Result<Checked, Failure> {
    let url = RtspUrl::parse(&options.url)?.to_string();
    let client: RtspClientConfig = options.config.client.clone();
    let mut checker = Checker {
        talk: Dialogue::new(&options.url, &client)?,
        list: List::default(),
        url: url.clone(),
        policy: options.config.transport,
        duration: options.duration,
        public: Vec::new(),
        payload_types: Vec::new(),
    };
    let error = match checker.all() {
        Ok(()) => None,
        Err(Cut::Server(status, why)) => Some((status, why)),
        Err(Cut::Program(e)) => return Err(e),
    };
    Ok(Checked { url, checks: checker.list.0, error })
}

impl Checker {
    fn all(&mut self) -> Result<(), Cut> {
        self.options()?;
        self.unknown_method()?;
        self.required_option()?;
        self.pipelining()?;
        self.unknown_presentation()?;
        self.unacceptable_description()?;
        let media = self.description()?;
        self.unsupported_transport(&media)?;
        self.setup_over_udp(&media)?;
        self.play(&media)
    }

    /// Sends a request, and waits for its answer. If the server refuses access, the checks end.
    fn ask(&mut self, request: Request<'static>) -> Result<Answer, Cut> {
        let answer = self.talk.ask(request)?;
        match &answer {
            Err(why) if Status::of_failure(&why.0) == Status::Refused => {
                Err(Cut::Server(Status::Refused, why.0.to_string()))
            }
            _ => Ok(answer),
        }
    }

    fn offers(&self, method: &Method) -> bool {
        self.public.iter().any(|name| name.eq_ignore_ascii_case(method.as_str()))
    }
}

/// A request with header fields.
fn request(method: Method, url: &str, headers: &[(&str, &str)]) -> Request<'static> {
    let mut request = Request::new(method, url.to_owned());
    for (name, value) in headers {
        request.headers.push(name, value);
    }
    request
}

/// What was answered, in short.
fn seen(answer: &Answer) -> String {
    match answer {
        Ok(response) => response.status.to_string(),
        Err(why) => why.to_string(),
    }
}

/// The status that was answered.
fn code(answer: &Answer) -> Option<u16> {
    answer.as_ref().ok().map(|response| response.status.code())
}

/// The control URL of the first track that is received.
fn first_track(media: &MediaSession) -> Option<&str> {
    let track = media.subsessions.iter().find(|track| !track.is_back_channel)?;
    Some(&track.control_url)
}
