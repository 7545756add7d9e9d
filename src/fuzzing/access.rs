//! Users files, and what strangers send as credentials and tokens.

use crate::ids::ConnectionId;
use crate::server::access::{
    AccessConfig, AccessContext, Action, Authenticator, TokenKey, User, UserAccess, UserTable,
    users_file,
};
use crate::server::hooks::{Admission, DecideLater, DecisionState, RequestInfo};
use crate::wire::rtsp::{Method, Request};
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// A users file is read whole or not at all, and what is read can be asked.
pub fn users_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match users_file::parse(&text) {
        Ok(table) => {
            for user in table.users() {
                let entry = users_file::user_entry(user);
                let again = users_file::parse(&entry).expect("what is written can be read");
                let again = again.user(user.name()).expect("the same user");
                assert_eq!(users_file::user_entry(again), entry);
            }
            let address = [10, 0, 0, 7].into();
            for name in ["", "a", "cam/1", &text] {
                let _ = table.permits(None, Action::Play, name, address);
                let _ = table.permits(Some("ann"), Action::Describe, name, address);
            }
        }
        Err(e) => {
            assert!(e.faults().count() > 0 && !e.to_string().is_empty());
        }
    }
}

/// The first line is the URL of a request, the second its `Authorization`. Nobody gets in who does
/// not know the password.
pub fn authorization(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let mut table = UserTable::new();
    // A hash of a password that the fuzzer does not find.
    let user = User::with_password("ann", "riverrun", "correct horse battery staple");
    table.add_user(user).expect("a name as it should be");
    table.set_token_key(TokenKey::new([7; 32]));
    let config = AccessConfig { basic_in_the_clear: true, ..AccessConfig::default() };
    let mut access = UserAccess::new(config, table).expect("a configuration as it should be");
    let mut request = Request::new(Method::Describe, lines.next().unwrap_or_default());
    for credentials in lines.take(2) {
        request.headers.push("Authorization", credentials);
    }
    let info = RequestInfo {
        request: &request,
        connection: ConnectionId::from_raw(Default::default()),
        peer: ([10, 0, 0, 7], 40_000).into(),
        local: ([10, 0, 0, 1], 554).into(),
        stream: Cow::Borrowed(""),
        session: None,
        user: None,
        is_encrypted: data.first().is_some_and(|b| b & 1 == 1),
        client_certificate: None,
    };
    let (later, mut n) = (DecideLater { wake: None }, 0_u8);
    let random = &mut |bytes: &mut [u8]| {
        n = n.wrapping_add(1);
        bytes.fill(n);
    };
    let (now, wall_clock) = (Instant::now(), Duration::from_secs(1_800_000_000));
    let mut cx = AccessContext { now, wall_clock, random, later: &later };
    for _ in 0..12 {
        match access.authenticate(&info, &mut cx).0 {
            DecisionState::Made { admission: Admission::Allow(None), .. } => {
                assert!(request.headers.is_empty(), "credentials that count for nothing");
            }
            DecisionState::Made { admission: Admission::Refuse { .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
