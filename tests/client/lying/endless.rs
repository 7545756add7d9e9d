//! What never ends, or comes too slowly to end.

use super::{Case, answer_limit, config, lie, lie_to, lie_with, limit};
use crate::liar::{Act, Liar, Media, SDP};
use crate::world::secs;
use riverrun::client::TransportPolicy;

const SDP_HEAD: &str = "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\n";
const TOO_LONG: &str = "the server does not speak RTSP: body too long";
const NO_ANSWER: &str = "DESCRIBE: no response in time";

/// What is sent every 20 ms: 8 KiB, of which some megabytes come in the time of an answer.
fn much(of: &str) -> Vec<u8> {
    of.repeat(8 * 1024 / of.len() + 1).into_bytes()
}

#[test]
fn a_header_that_never_ends() {
    let head = "RTSP/1.0 200 OK\r\nCSeq: 2\r\n".as_bytes().to_vec();
    for more in ["X-More: and more\r\n", "x", "\r", " folded\r\n"] {
        lie("DESCRIBE", Act::Endless(head.clone(), much(more))).loses(answer_limit(), NO_ANSWER);
        lie("DESCRIBE", Act::Endless(head.clone(), more.into())).loses(answer_limit(), NO_ANSWER);
    }
}

#[test]
fn a_line_that_never_ends() {
    for first in ["RTSP/1.0 200 ", "", "$", "\r\n"] {
        let act = Act::Endless(first.into(), much("O"));
        lie("DESCRIBE", act).loses(answer_limit(), NO_ANSWER);
    }
    lie("DESCRIBE", Act::Endless(Vec::new(), much("\r\n"))).loses(answer_limit(), NO_ANSWER);
}

#[test]
fn a_body_that_never_ends() {
    for length in ["65537", "10000000", "4294967295"] {
        let head = format!("{SDP_HEAD}Content-Length: {length}\r\n\r\n").into_bytes();
        lie("DESCRIBE", Act::Endless(head, much("a=x\r\n"))).loses(secs(0.1), TOO_LONG);
    }
    // What is no length is no answer.
    for length in ["18446744073709551616", "1e9", "-1"] {
        let head = format!("{SDP_HEAD}Content-Length: {length}\r\n\r\n").into_bytes();
        lie("DESCRIBE", Act::Endless(head, much("a=x\r\n"))).loses(answer_limit(), NO_ANSWER);
    }
}

#[test]
fn a_description_of_ten_megabytes() {
    let body = format!("{SDP}{}", "a=more:and more\r\n".repeat(10_000_000 / 17));
    let head = format!("{SDP_HEAD}Content-Length: {}\r\n\r\n", body.len());
    let pieces = Act::Endless(head.into_bytes(), body.as_bytes()[..64 * 1024].to_vec());
    lie("DESCRIBE", pieces).loses(secs(0.1), TOO_LONG);
}

#[test]
fn answers_that_come_byte_by_byte() {
    let whole = format!("{SDP_HEAD}Content-Length: {}\r\n\r\n{SDP}", SDP.len());
    lie("DESCRIBE", Act::Slowly(whole.into_bytes())).loses(answer_limit(), NO_ANSWER);
    let play = b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nSession: 12345678\r\n\r\n".to_vec();
    lie("PLAY", Act::Slowly(play)).loses(answer_limit(), "PLAY: no response in time");
}

#[test]
fn provisional_answers_for_ever() {
    for method in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] {
        let case = lie_to(config(), method, |request, _| {
            let cseq = request.headers.value("CSeq").unwrap();
            let again = format!("RTSP/1.0 100 Continue\r\nCSeq: {cseq}\r\n\r\n");
            Act::Endless(Vec::new(), again.into_bytes())
        });
        case.loses(answer_limit(), &format!("{method}: no response in time"));
    }
}

#[test]
fn answers_to_nothing_for_ever() {
    for line in ["CSeq: 999\r\n", "", "CSeq: x\r\n"] {
        let answers = much(&format!("RTSP/1.0 200 OK\r\n{line}\r\n"));
        lie("DESCRIBE", Act::Endless(Vec::new(), answers)).loses(answer_limit(), NO_ANSWER);
    }
}

const ASKS: &str = "GET_PARAMETER rtsp://10.0.0.2/x RTSP/1.0\r\nCSeq: 7\r\n\r\n";

#[test]
fn requests_for_ever_instead_of_an_answer() {
    let case = lie("DESCRIBE", Act::Endless(Vec::new(), much(ASKS)));
    case.loses(answer_limit(), NO_ANSWER);
}

fn playing() -> Case {
    let mut case = lie_with(TransportPolicy::Tcp, Media::Honest);
    case.plays_on(1.0);
    case
}

#[test]
fn requests_for_ever_are_answered() {
    let mut case = playing();
    case.liar().flood(ASKS.repeat(10).as_bytes());
    case.plays_on(20.0);
    assert!(case.liar().answers.len() > 9_000);
    // The list is the test's.
    case.liar().answers.clear();
}

#[test]
fn requests_for_ever_from_a_server_that_reads_no_answers() {
    let mut case = playing();
    case.world.env.with(case.liar, Liar::stop_listening).unwrap();
    case.liar().flood(&much(ASKS));
    case.loses(limit(config().client.write_timeout), "the server takes or completes no message");
}

#[test]
fn a_packet_that_never_comes() {
    // Nothing comes behind its header.
    for length in [&b"$\0\xFF\xFF"[..], b"$\0\x10", b"$"] {
        let mut case = playing();
        case.liar().media = Media::Nothing;
        case.world.env.with(case.liar, |liar, env| liar.say(env, length)).unwrap();
        case.loses(
            limit(config().client.answer_timeout),
            "the server takes or completes no message",
        );
    }
}

#[test]
fn a_packet_that_is_others() {
    // What comes behind its header are whole packets: they are lost, and no more.
    let mut case = playing();
    case.world.env.with(case.liar, |liar, env| liar.say(env, b"$\0\xFF\xFF")).unwrap();
    case.world.run_secs(10.0);
    case.plays_on(10.0);
    // For ever, and there is nothing to find in between.
    let mut case = playing();
    case.liar().media = Media::Nothing;
    case.liar().flood(b"$\x09\xFF\xFF$\x09");
    case.loses(limit(config().stall_timeout), "track 1 has stopped");
}

#[test]
fn farewells_that_are_never_answered() {
    let mut case = lie("TEARDOWN", Act::Silence);
    case.plays_on(2.0);
    case.world.env.with(case.player, |player, env| player.stop(env)).unwrap();
    case.world.wait_for(secs(2.1), |told| *told == crate::world::Told::Stopped);
    assert_eq!(case.world.network().open_sockets("10.0.0.2".parse().unwrap()), 0);
}
