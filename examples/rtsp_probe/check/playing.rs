//! A session from SETUP to TEARDOWN, and what comes in it (RFC 2326 sections 10.5 to 10.8).

use super::media::{Expected, check_media};
use super::setup::SetUp;
use super::{Checker, Cut, request, seen};
use crate::check::Verdict;
use crate::status::Status;
use riverrun::client::{MediaSession, MediaSubsession, TransportPolicy};
use riverrun::wire::Oddities;
use riverrun::wire::rtsp::{Method, Range, Response};
use std::time::Duration;

/// A session that no server has.
const NO_SESSION: &str = "riverrun0probe0no0session";
/// After the answer to PAUSE, what was on its way may still come.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// Time in which nothing comes that is not on its way.
const PAUSED: Duration = Duration::from_millis(700);

/// The tracks that were set up.
type SetUpTracks<'m> = Vec<(&'m MediaSubsession, SetUp)>;

impl Checker {
    pub(super) fn play(&mut self, media: &MediaSession) -> Result<(), Cut> {
        let played: Vec<&MediaSubsession> =
            media.subsessions.iter().filter(|track| !track.is_back_channel).collect();
        let (is_tcp, tracks) = self.set_up_all(&played)?;
        let Some((_, SetUp { session, .. })) = tracks.first() else {
            return Err(Cut::Server(Status::NoMedia, "no track can be set up".to_owned()));
        };
        let session = session.clone();
        let url = &media.control_url;
        self.play_without_session(url)?;

        let in_session = [("Session", &*session)];
        let headers = [("Session", &*session), ("Range", "npt=0.000-")];
        let answer = self.ask(request(Method::Play, url, &headers))?;
        let check = ("PLAY is answered 200", "RFC 2326 10.5");
        self.list.status(&answer, &[200], &[], check);
        let Some(response) = answer.as_ref().ok().filter(|r| r.status.is_success()) else {
            self.ask(request(Method::Teardown, url, &in_session))?.ok();
            return Err(Cut::Server(Status::Failed, format!("PLAY: {}", seen(&answer))));
        };
        let expected = self.play_headers(media, response, &tracks);
        self.keep_alive(url, &session)?;
        self.talk.listen(self.duration)?;
        self.media(&expected, is_tcp)?;
        self.pause(url, &session, &expected)?;

        let answer = self.ask(request(Method::Teardown, url, &in_session))?;
        let check = ("TEARDOWN is answered 200", "RFC 2326 10.7");
        self.list.status(&answer, &[200], &[], check);
        let answer = self.ask(request(Method::Play, url, &in_session))?;
        let check = ("PLAY after TEARDOWN is answered 454", "RFC 2326 11.3.5");
        self.list.status(&answer, &[454], &[400, 455], check);
        Ok(())
    }

    /// Sets up all tracks: over TCP, and over UDP where the server or the user does not want that.
    fn set_up_all<'m>(
        &mut self,
        played: &[&'m MediaSubsession],
    ) -> Result<(bool, SetUpTracks<'m>), Cut> {
        for is_tcp in [true, false] {
            if is_tcp && self.policy == TransportPolicy::Udp {
                continue;
            }
            let mut tracks = SetUpTracks::new();
            for track in played {
                let number = u32::try_from(track.number).unwrap_or(u32::MAX);
                let session = tracks.first().map(|(_, first)| first.session.clone());
                let place = (number, &*track.control_url);
                match self.set_up(place, is_tcp, session.as_deref())? {
                    Some(set_up) => tracks.push((track, set_up)),
                    None if tracks.is_empty() && is_tcp => break,
                    None => {}
                }
            }
            if !tracks.is_empty() || self.policy == TransportPolicy::Tcp {
                return Ok((is_tcp, tracks));
            }
        }
        Ok((false, Vec::new()))
    }

    /// PLAY without a session, and in one that does not exist.
    fn play_without_session(&mut self, url: &str) -> Result<(), Cut> {
        let answer = self.ask(request(Method::Play, url, &[("Session", NO_SESSION)]))?;
        let check = ("PLAY in an unknown session is answered 454", "RFC 2326 11.3.5");
        self.list.status(&answer, &[454], &[400], check);
        let answer = self.ask(request(Method::Play, url, &[]))?;
        let check = ("PLAY without a session is refused", "RFC 2326 10.5, 12.37");
        self.list.status(&answer, &[454, 455], &[400], check);
        Ok(())
    }

    /// What the answer to PLAY says, and what is therefore expected of each track.
    fn play_headers(
        &mut self,
        media: &MediaSession,
        response: &Response<'_>,
        tracks: &[(&MediaSubsession, SetUp)],
    ) -> Vec<Expected> {
        let mut odd = Oddities::new();
        let range = response.headers.value("Range").unwrap_or_default();
        let is_read = Range::of_answer(range, &mut odd).is_some() && odd.is_empty();
        let told = if range.is_empty() { "no Range" } else { range };
        let check = ("PLAY is answered with the Range", "RFC 2326 10.5, 12.29");
        self.list.should(is_read, check, told);

        let info = response.headers.joined("RTP-Info").unwrap_or_default();
        let is_set_up = |of: &MediaSubsession| tracks.iter().any(|(t, _)| t.number == of.number);
        let mut odd = Oddities::new();
        let starts = media.play_starts(&info, is_set_up, &mut odd);
        let is_complete = starts.len() == tracks.len()
            && starts.iter().all(|start| start.seq.is_some() && start.rtptime.is_some());
        let told = match odd.iter().next() {
            Some(odd) => odd.to_owned(),
            None => format!("{} of {} tracks", starts.len(), tracks.len()),
        };
        let check = ("RTP-Info has url, seq and rtptime of each track", "RFC 2326 12.33");
        self.list.should(is_complete && odd.is_empty(), check, told);
        let expected = |(track, set_up): &(&MediaSubsession, SetUp)| Expected {
            number: u32::try_from(track.number).unwrap_or(u32::MAX),
            payload_types: self.payload_types_of(track),
            clock_rate: track.format.clock_rate,
            ssrc: set_up.ssrc,
            start: starts.iter().find(|start| start.number == track.number).copied(),
        };
        tracks.iter().map(expected).collect()
    }

    /// All that the description lists, since any of them may come.
    fn payload_types_of(&self, track: &MediaSubsession) -> Vec<u8> {
        let listed = self.payload_types.get(track.number.saturating_sub(1));
        let listed = listed.filter(|types| !types.is_empty()).cloned();
        listed.unwrap_or_else(|| vec![track.payload_type()])
    }

    fn keep_alive(&mut self, url: &str, session: &str) -> Result<(), Cut> {
        let check = ("GET_PARAMETER without a body is answered 200", "RFC 2326 10.8");
        if !self.offers(&Method::GetParameter) {
            self.list.add(Verdict::Note, check, "not offered");
            return Ok(());
        }
        let answer = self.ask(request(Method::GetParameter, url, &[("Session", session)]))?;
        self.list.status(&answer, &[200], &[], check);
        Ok(())
    }

    fn media(&mut self, expected: &[Expected], is_tcp: bool) -> Result<(), Cut> {
        let mut records = Vec::new();
        for track in expected {
            records.push(self.talk.recorded(track.number)?);
        }
        let pairs: Vec<_> = expected.iter().zip(&records).collect();
        check_media(&mut self.list, &pairs, is_tcp, self.duration);
        Ok(())
    }

    fn pause(&mut self, url: &str, session: &str, expected: &[Expected]) -> Result<(), Cut> {
        let check = ("PAUSE is answered 200, and nothing more comes", "RFC 2326 10.6");
        if !self.offers(&Method::Pause) {
            self.list.add(Verdict::Note, check, "not offered");
            return Ok(());
        }
        let answer = self.ask(request(Method::Pause, url, &[("Session", session)]))?;
        let is_done = answer.as_ref().is_ok_and(|response| response.status.is_success());
        if !is_done {
            // What has come to its end cannot be paused, nor what is live.
            self.list.status(&answer, &[200], &[405, 455, 501], check);
            return Ok(());
        }
        self.talk.listen(ON_ITS_WAY)?;
        let before = self.packets(expected)?;
        self.talk.listen(PAUSED)?;
        let after = self.packets(expected)?;
        let told = match after - before {
            0 => seen(&answer),
            n => format!("{}, and {n} packets later than {ON_ITS_WAY:?}", seen(&answer)),
        };
        self.list.must(after == before, check, told);
        Ok(())
    }

    fn packets(&mut self, expected: &[Expected]) -> Result<u64, Cut> {
        let mut packets = 0;
        for track in expected {
            packets += self.talk.recorded(track.number)?.packets();
        }
        Ok(packets)
    }
}
