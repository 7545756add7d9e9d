//! The answer to DESCRIBE and the description in it (RFC 2326 sections 10.2 and C.1, RFC 4566).

use super::{Checker, Cut, request, seen};
use crate::check::Verdict;
use crate::status::Status;
use riverrun::client::{ContentFacts, MediaSession};
use riverrun::payload::FormatRegistry;
use riverrun::wire::Oddities;
use riverrun::wire::rtsp::{Method, Response};
use riverrun::wire::sdp::{MediaDescription, SdpLimits, SessionDescription};
use riverrun::wire::url::RtspUrl;

/// The first payload type without a meaning of its own (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;

impl Checker {
    /// Checks the description; without one there is nothing else to check.
    pub(super) fn description(&mut self) -> Result<MediaSession, Cut> {
        let accept = [("Accept", "application/sdp")];
        let answer = self.ask(request(Method::Describe, &self.url, &accept))?;
        let check = ("DESCRIBE is answered 200", "RFC 2326 10.2");
        self.list.status(&answer, &[200], &[], check);
        let response = match &answer {
            Ok(response) if response.status.is_success() => response,
            Ok(response) => {
                let why = format!("DESCRIBE: {}", seen(&answer));
                return Err(Cut::Server(Status::of_response(response.status), why));
            }
            Err(why) => return Err(Cut::Server(Status::of_failure(&why.0), why.to_string())),
        };
        self.content_headers(response);
        let text = &response.body;
        let facts = ContentFacts::of_response(&self.url, response);
        let media = MediaSession::new(text, &facts, FormatRegistry::standard())
            .map_err(|e| Cut::Server(Status::Failed, e.to_string()))?;
        self.lines(text);
        self.list.should(
            media.odd.is_empty(),
            ("the description is read without doubt", "RFC 4566 5"),
            match media.odd.iter().next() {
                None if media.subsessions.len() == 1 => "1 track".to_owned(),
                None => format!("{} tracks", media.subsessions.len()),
                Some(odd) if media.odd.iter().len() == 1 => odd.to_owned(),
                Some(odd) => format!("{odd}; and {} more", media.odd.iter().len() - 1),
            },
        );
        let read = SessionDescription::read(text, &SdpLimits::default(), &mut Oddities::new());
        self.payload_types = read.media.iter().map(|m| m.payload_types().collect()).collect();
        match SessionDescription::parse(text) {
            Ok(sdp) => self.media_lines(&sdp),
            Err(e) => self.list.must(
                false,
                ("the description keeps to the syntax", "RFC 4566 9"),
                e.to_string(),
            ),
        }
        Ok(media)
    }

    fn content_headers(&mut self, response: &Response<'_>) {
        let kind = response.headers.value("Content-Type").unwrap_or_default();
        let name = kind.split(';').next().unwrap_or_default().trim();
        self.list.must(
            name.eq_ignore_ascii_case("application/sdp"),
            ("Content-Type is application/sdp", "RFC 2326 12.16"),
            if kind.is_empty() { "no Content-Type" } else { kind },
        );
        let length = response.headers.value("Content-Length").unwrap_or_default();
        self.list.must(
            length.trim().parse() == Ok(response.body.len()),
            ("Content-Length is that of the body", "RFC 2326 12.14"),
            format!("Content-Length: {length}, and {} bytes", response.body.len()),
        );
        let base = response.headers.value("Content-Base").unwrap_or_default();
        self.list.should(
            RtspUrl::parse(base).is_ok() && base.ends_with('/'),
            ("Content-Base is a URL that ends in /", "RFC 2326 C.1.1"),
            // Some repeat the credentials in it.
            match RtspUrl::parse(base) {
                Ok(url) => url.to_string(),
                Err(_) if base.is_empty() => "no Content-Base".to_owned(),
                Err(e) => e.to_string(),
            },
        );
    }

    /// The lines that each description has, in their order.
    fn lines(&mut self, text: &[u8]) {
        let kinds: Vec<u8> = text
            .split(|b| *b == b'\n')
            .filter_map(|line| match line {
                [kind, b'=', ..] => Some(*kind),
                _ => None,
            })
            .take_while(|kind| *kind != b'm')
            .collect();
        let lacks: Vec<_> =
            [b'v', b'o', b's', b't'].into_iter().filter(|k| !kinds.contains(k)).collect();
        let told = match &lacks[..] {
            [] => "they are there".to_owned(),
            lacks => format!(
                "lacks {}",
                lacks.iter().map(|k| format!("{}=", char::from(*k))).collect::<Vec<_>>().join(" ")
            ),
        };
        let is_ok = lacks.is_empty() && kinds.first() == Some(&b'v');
        self.list.must(is_ok, ("v=, o=, s= and t= before the media", "RFC 4566 5"), told);
    }

    fn media_lines(&mut self, sdp: &SessionDescription) {
        let numbered = || (1_usize..).zip(&sdp.media);
        let without = |has: fn(&MediaDescription) -> bool| {
            let lacking = numbered().filter(|(_, media)| !has(media));
            lacking.map(|(number, _)| number.to_string()).collect::<Vec<_>>()
        };
        let told = |lacking: &[String]| match lacking {
            [] => "each has".to_owned(),
            lacking => format!("lacks in medium {}", lacking.join(", ")),
        };
        let lacking = without(|media| media.attribute("control").is_some());
        let verdict = match (lacking.is_empty(), sdp.media.len()) {
            (true, _) => Verdict::Ok,
            // Then the URL of the presentation is that of the medium.
            (false, 1) => Verdict::Note,
            (false, _) => Verdict::Fail,
        };
        let check = ("a=control for each medium", "RFC 2326 C.1.1");
        self.list.add(verdict, check, told(&lacking));
        let lacking = without(|media| {
            media.payload_types().all(|pt| pt < FIRST_DYNAMIC || media.rtpmap(pt).is_some())
        });
        let check = ("a=rtpmap for each dynamic payload type", "RFC 2326 C.1.3");
        self.list.must(lacking.is_empty(), check, told(&lacking));
    }
}
