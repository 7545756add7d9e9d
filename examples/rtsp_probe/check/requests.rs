//! Requests that need no session (RFC 2326 sections 9.1, 10.1, 10.2 and 12).

use super::{Checker, Cut, request, seen};
use crate::check::Verdict;
use crate::status::Status;
use crate::support::Failure;
use riverrun::wire::rtsp::Method;
use riverrun::wire::url::RtspUrl;

/// An option and a method that no server has.
const NO_OPTION: &str = "riverrun-probe-option";
const NO_METHOD: &str = "RIVERRUN_PROBE";
/// A presentation and a type of description that no server has.
const NO_NAME: &str = "riverrun-probe-no-such-presentation";
const NO_TYPE: &str = "application/x-riverrun-probe";
/// Requests that are sent at once.
const AT_ONCE: usize = 3;

impl Checker {
    pub(super) fn options(&mut self) -> Result<(), Cut> {
        let answer = self.ask(request(Method::Options, &self.url, &[]))?;
        let response = match &answer {
            Ok(response) => response,
            Err(why) => {
                let status = Status::of_failure(&why.0);
                let disconnection = self.talk.disconnection.take();
                return Err(Cut::Server(status, disconnection.unwrap_or_else(|| why.to_string())));
            }
        };
        self.list.must(
            response.status.is_success(),
            ("OPTIONS is answered 200", "RFC 2326 10.1"),
            seen(&answer),
        );
        let public = response.headers.joined("Public").unwrap_or_default().into_owned();
        self.public = public.split(',').map(|name| name.trim().to_owned()).collect();
        let required = [Method::Options, Method::Setup, Method::Play, Method::Teardown];
        let lacks: Vec<_> =
            required.iter().filter(|m| !self.offers(m)).map(Method::as_str).collect();
        let told = if public.is_empty() { "no Public".to_owned() } else { public };
        let told = match &lacks[..] {
            [] => told,
            lacks => format!("{told}; lacks {}", lacks.join(", ")),
        };
        let check = ("Public has the required methods", "RFC 2326 10, 12.28");
        self.list.must(lacks.is_empty(), check, told);
        let sequence: Vec<_> = response.headers.values("CSeq").collect();
        self.list.must(
            sequence.len() == 1,
            ("CSeq of the request is repeated, once", "RFC 2326 12.17"),
            format!("CSeq: {}", sequence.join(", ")),
        );
        Ok(())
    }

    pub(super) fn unknown_method(&mut self) -> Result<(), Cut> {
        let method = Method::Other(NO_METHOD.to_owned());
        let answer = self.ask(request(method, &self.url, &[]))?;
        self.list.status(
            &answer,
            &[501],
            &[405, 551],
            ("an unknown method is answered 501", "RFC 2326 10"),
        );
        Ok(())
    }

    pub(super) fn required_option(&mut self) -> Result<(), Cut> {
        let answer = self.ask(request(Method::Options, &self.url, &[("Require", NO_OPTION)]))?;
        let check = ("an unknown Require is answered 551", "RFC 2326 12.32");
        self.list.status(&answer, &[551], &[], check);
        if let Some(response) = answer.ok().filter(|response| response.status.code() == 551) {
            let names = response.headers.value("Unsupported").unwrap_or_default();
            let check = ("Unsupported names the option", "RFC 2326 12.40");
            let told = if names.is_empty() { "no Unsupported" } else { names };
            self.list.must(response.headers.lists("Unsupported", NO_OPTION), check, told);
        }
        Ok(())
    }

    pub(super) fn pipelining(&mut self) -> Result<(), Cut> {
        let mut sent = Vec::new();
        for _ in 0..AT_ONCE {
            sent.push(self.talk.send(request(Method::Options, &self.url, &[]))?);
        }
        let mut answered = Vec::new();
        let mut failure = None;
        while answered.len() < AT_ONCE {
            let (of, answer) = self.talk.next_answer()?;
            if sent.contains(&of) {
                answered.push(of);
                failure = answer.err().or(failure);
            }
        }
        let told = match &failure {
            Some(why) => why.to_string(),
            None if answered == sent => format!("{AT_ONCE} answers in order"),
            None => "answers in another order".to_owned(),
        };
        let is_ok = failure.is_none() && answered == sent;
        let check = ("requests that are sent at once are answered in order", "RFC 2326 9.1");
        self.list.must(is_ok, check, told);
        Ok(())
    }

    pub(super) fn unknown_presentation(&mut self) -> Result<(), Cut> {
        let server = RtspUrl::parse(&self.url).map_err(Failure::from)?;
        let url = format!("{}/{NO_NAME}", RtspUrl { path: Default::default(), ..server });
        let accept = [("Accept", "application/sdp")];
        let answer = self.talk.ask(request(Method::Describe, &url, &accept))?;
        let check = ("an unknown presentation is answered 404", "RFC 2326 7.1.1");
        match &answer {
            // A name that this user may not see, or anybody.
            Err(why) if Status::of_failure(&why.0) == Status::Refused => {
                self.list.add(Verdict::Note, check, seen(&answer));
            }
            // Many cameras have one presentation, under whatever name.
            _ => self.list.status(&answer, &[404], &[200, 403, 410], check),
        }
        Ok(())
    }

    pub(super) fn unacceptable_description(&mut self) -> Result<(), Cut> {
        let answer = self.ask(request(Method::Describe, &self.url, &[("Accept", NO_TYPE)]))?;
        let check = ("an Accept of nothing known is answered 406", "RFC 2326 12.1");
        // It should, says RFC 2068 section 14.1.
        let verdict = match &answer {
            Ok(response) if response.status.code() == 406 => Verdict::Ok,
            _ => Verdict::Note,
        };
        self.list.add(verdict, check, seen(&answer));
        Ok(())
    }
}
