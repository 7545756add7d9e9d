//! [`UserAccess`]: the authenticator that comes with the crate.

use super::attempts::{AttemptLimits, Attempts};
use super::bearers::Bearers;
use super::nonces::{Nonce, Nonces, keyed};
use super::passwords::{Check, PasswordChecks, SlowHash, Subject, is_same};
use super::target::{is_for, stream_names, token_of};
use super::token::Checked;
use super::user_table::{User, UserTable};
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::net::site;
use crate::server::access::action::Action;
use crate::server::access::authenticator::{
    AccessContext, AccessStatistics, Authenticator, Permission,
};
use crate::server::hooks::{Admission, Decision, RequestInfo};
use crate::wire::auth::{
    Challenge, Credentials, DigestAlgorithm, DigestChallenge, DigestCredentials, UserCredentials,
};
use crate::wire::rtsp::transport::alternatives;
use crate::wire::rtsp::{Method, Request, StatusCode};
use hmac::Mac;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// The realm where neither the configuration nor the table of users names one.
const DEFAULT_REALM: &str = "riverrun";

/// Configuration of [`UserAccess`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessConfig {
    /// What the password is for, as clients show it to a person; part of what is hashed. `None`:
    /// that of the table of users or, if it names none, `riverrun`. Default: `None`.
    pub realm: Option<String>,
    /// Algorithms of Digest in the order in which they are offered, each with a challenge of its
    /// own. Those for which no user of the table has a hash are left out.
    ///
    /// Default: SHA-256, then MD5. Of several challenges FFmpeg, GStreamer and live555 (VLC) take
    /// the last one and compute MD5, while a client that knows SHA-256 takes the first one.
    pub algorithms: Vec<DigestAlgorithm>,
    /// Whether Digest challenges offer the quality of protection `auth`. Clients that do not know it
    /// are served in any case. Default: `true`.
    pub offers_qop: bool,
    /// Whether Basic is accepted, and offered, over connections that are not encrypted. Passwords
    /// can be read on the way then. Default: `false`.
    pub basic_in_the_clear: bool,
    /// Time after which a nonce is no longer accepted; its user is asked again (`stale=true`), which
    /// clients answer without asking a person. Default: 5 min.
    pub nonce_lifetime: Duration,
    /// Nonces in use at once whose counts are remembered. If there are more, the users of the oldest
    /// are asked again. Default: 1024.
    pub max_nonces: usize,
    /// What follows from wrong credentials.
    pub attempts: AttemptLimits,
    /// Passwords that may wait to be compared with a [`SlowHash`]; a further request is answered
    /// 503. Default: 16.
    pub max_password_checks: usize,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            realm: None,
            algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            offers_qop: true,
            basic_in_the_clear: false,
            nonce_lifetime: Duration::from_secs(5 * 60),
            max_nonces: 1024,
            attempts: AttemptLimits::default(),
            max_password_checks: 16,
        }
    }
}

/// An [`Authenticator`] for the users and rules of a [`UserTable`], with Digest (RFC 7616), Basic
/// (RFC 7617) and [tokens](super::TokenKey).
///
/// Requests without credentials are made on nobody's behalf. They are answered with a challenge if
/// the rules permit only users what they ask for; with 403 over plain RTSP where no user could log in
/// ([`UserTable::users_without_digest`]).
///
/// ```
/// use riverrun::env::UsageEnvironment;
/// use riverrun::server::access::{AccessConfig, User, UserAccess, UserTable};
/// use riverrun::server::{RtspServer, ServerConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut env = UsageEnvironment::new()?;
/// let mut users = UserTable::new();
/// users.set_realm("cameras");
/// users.add_user(User::with_password("ann", "cameras", "secret"))?;
/// let access = UserAccess::new(AccessConfig::default(), users)?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &["127.0.0.1:0".parse()?])?;
/// env.with(server, |server, _| server.set_authenticator(access))?;
///
/// // Later: other users. The sessions of those who are there no more end.
/// let users = UserTable::new();
/// env.with(server, |server, env| {
///     if let Some(access) = server.authenticator_mut::<UserAccess>() {
///         access.set_users(users)?;
///     }
///     server.end_unpermitted_sessions(env);
///     Ok::<(), riverrun::Error>(())
/// })??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UserAccess {
    config: AccessConfig,
    realm: String,
    table: UserTable,
    /// Counts the tables.
    generation: u64,
    /// The algorithms that are offered.
    offered: Vec<DigestAlgorithm>,
    /// The slowest hash of the table, as a measure for users who have none.
    slowest: Option<SlowHash>,
    nonces: Nonces,
    attempts: Attempts,
    bearers: Bearers,
    checks: PasswordChecks,
    /// Key of the hashes by which passwords are recognized that were right.
    tag_key: Option<[u8; 32]>,
    recognized: HashMap<Box<str>, [u8; 32]>,
    statistics: AccessStatistics,
}

/// The address of a client, for which nonces are issued and failures counted.
const fn address_of(request: &RequestInfo<'_>) -> IpAddr {
    request.peer.ip().to_canonical()
}

impl UserAccess {
    /// Creates the authenticator.
    ///
    /// # Errors
    /// No algorithm is configured, the realm has a control character, or the hashes of the table
    /// were made for another realm.
    pub fn new(config: AccessConfig, table: UserTable) -> Result<Self, Error> {
        if config.algorithms.is_empty() {
            return Err(Error::Usage("algorithms is empty: nobody could log in"));
        }
        let mut access = Self {
            config,
            realm: String::new(),
            table: UserTable::new(),
            generation: 0,
            offered: Vec::new(),
            slowest: None,
            nonces: Nonces::new(),
            attempts: Attempts::default(),
            bearers: Bearers::default(),
            checks: PasswordChecks::new(),
            tag_key: None,
            recognized: HashMap::new(),
            statistics: AccessStatistics::default(),
        };
        access.set_users(table)?;
        Ok(access)
    }

    /// Replaces the users, rules and token key. What clients ask for from now on is judged by the new
    /// table. Sessions go on, until
    /// [`RtspServer::end_unpermitted_sessions`](crate::server::RtspServer::end_unpermitted_sessions)
    /// is called: it ends those that the new table does not permit. On an error the old table stays.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn set_users(&mut self, table: UserTable) -> Result<(), Error> {
        let realm = match (&self.config.realm, table.realm()) {
            (Some(wanted), Some(made_for)) if wanted != made_for => {
                return Err(Error::Usage("the hashes of the users were made for another realm"));
            }
            (Some(realm), _) => realm.clone(),
            (None, realm) => realm.unwrap_or(DEFAULT_REALM).to_owned(),
        };
        if realm.contains(char::is_control) {
            return Err(Error::Usage("realm has a control character"));
        }
        let has = |algorithm| table.users().any(|user| user.digest_hash(algorithm).is_some());
        let mut offered = self.config.algorithms.clone();
        if table.users().next().is_some() {
            offered.retain(|algorithm| has(*algorithm));
        }
        let slow = table.users().filter_map(User::slow_hash);
        self.slowest = slow.max_by_key(|hash| hash.rounds()).cloned();
        (self.realm, self.offered, self.table) = (realm, offered, table);
        self.generation += 1;
        self.recognized.clear();
        Ok(())
    }

    /// Returns the users, rules and token key.
    pub const fn users(&self) -> &UserTable {
        &self.table
    }

    /// Returns the realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    // What is answered

    fn ask(
        &mut self,
        request: &RequestInfo<'_>,
        cx: &mut AccessContext<'_>,
        is_stale: bool,
    ) -> Admission {
        let mut refusal = Admission::refuse(StatusCode::UNAUTHORIZED);
        // One nonce for all: some clients compute MD5 with the nonce of whichever comes last.
        let (now, address) = (cx.now(), address_of(request));
        let nonce = self.nonces.issue(address, now, &mut |bytes| cx.fill_random(bytes));
        for algorithm in &self.offered {
            let mut challenge = DigestChallenge::new(&self.realm, &nonce, *algorithm);
            (challenge.has_qop, challenge.is_stale) = (self.config.offers_qop, is_stale);
            refusal = refusal.header("WWW-Authenticate", challenge);
        }
        if request.is_encrypted || self.config.basic_in_the_clear {
            let challenge = Challenge::Basic { realm: self.realm.clone() };
            refusal = refusal.header("WWW-Authenticate", challenge);
        } else if self.offered.is_empty() {
            // All users have slow hashes only, which are good for Basic. There is nothing that a
            // client could answer, so it is not asked (RFC 7235 section 3.1 wants a challenge).
            log::debug!("{}: nobody can log in over plain RTSP", request.peer);
            return Admission::refuse(StatusCode::FORBIDDEN);
        }
        refusal
    }

    /// Counts wrong credentials, and asks again after a while.
    fn fail(&mut self, request: &RequestInfo<'_>, cx: &mut AccessContext<'_>) -> Decision {
        let delay = self.note_failure(address_of(request), cx);
        Decision::after(self.ask(request, cx, false), delay)
    }

    fn note_failure(&mut self, address: IpAddr, cx: &AccessContext<'_>) -> Duration {
        self.statistics.failed += 1;
        let limits = &self.config.attempts;
        let (delay, is_first) = self.attempts.note_failure(limits, address, cx.now());
        if is_first {
            log::warn!("{}: wrong credentials again and again", site(address));
        }
        delay
    }

    /// The answer to an address that is refused for a time, if it is.
    fn refused(&mut self, request: &RequestInfo<'_>, cx: &AccessContext<'_>) -> Option<Decision> {
        let left = self.attempts.refused_for(address_of(request), cx.now())?;
        self.statistics.refused += 1;
        let refusal = Admission::refuse(StatusCode::FORBIDDEN)
            .header("Retry-After", left.as_secs().max(1))
            .header("Connection", "close");
        Some(refusal.into())
    }

    fn accept(&mut self, user: &str) -> Decision {
        self.statistics.accepted += 1;
        Admission::Allow(Some(user.to_owned())).into()
    }

    // What clients give

    fn check_digest(
        &mut self,
        request: &RequestInfo<'_>,
        digest: &DigestCredentials,
        cx: &mut AccessContext<'_>,
    ) -> Decision {
        let (now, lifetime) = (cx.now(), self.config.nonce_lifetime);
        let nonce = self.nonces.check(&digest.nonce, address_of(request), now, lifetime);
        // Others behind the same address may try passwords; who has proven to be a user goes on.
        let is_known = |nonce: Nonce| self.nonces.has_proven(nonce, &digest.user);
        if !nonce.is_some_and(is_known) {
            if let Some(refused) = self.refused(request, cx) {
                return refused;
            }
        }
        let algorithm = digest.algorithm.unwrap_or(DigestAlgorithm::Md5);
        let hash = self.table.user(&digest.user).and_then(|user| user.digest_hash(algorithm));
        let is_user = hash.is_some() && self.offered.contains(&algorithm);
        // As long for those who are no users.
        let hash = hash.unwrap_or_else(|| algorithm.hash_user("", &self.realm, ""));
        let is_proven = digest.is_proven_by_hash(&hash, request.request.method.as_str());
        if !(is_proven & is_user) || digest.realm != self.realm {
            return self.fail(request, cx);
        }
        if !is_for(&digest.uri, request.request.url.as_str()) {
            self.statistics.wrong_uris += 1;
            return Admission::refuse(StatusCode::BAD_REQUEST).into();
        }
        let Some(nonce) = nonce else {
            self.statistics.stale_nonces += 1;
            return self.ask(request, cx, true).into();
        };
        let count = digest.client_nonce.as_ref().map(|(_, count)| *count);
        let limits = (now, lifetime, self.config.max_nonces);
        if !self.nonces.note_use(nonce, &digest.user, count, limits) {
            self.statistics.replayed_nonces += 1;
            return self.ask(request, cx, true).into();
        }
        self.accept(&digest.user)
    }

    fn check_basic(
        &mut self,
        request: &RequestInfo<'_>,
        given: &UserCredentials,
        cx: &mut AccessContext<'_>,
    ) -> Decision {
        if !request.is_encrypted && !self.config.basic_in_the_clear {
            self.statistics.basic_in_the_clear += 1;
            return self.ask(request, cx, false).into();
        }
        let tag = self.tag(given, cx);
        if self.recognized.get(given.user()).is_some_and(|known| is_same(known, &tag)) {
            return self.accept(given.user());
        }
        if let Some(refused) = self.refused(request, cx) {
            return refused;
        }
        let user = self.table.user(given.user());
        let by_digest = user.is_some_and(|user| {
            user.digest_algorithm().is_some_and(|algorithm| {
                let hash = algorithm.hash_user(user.name(), &self.realm, given.password());
                user.digest_hash(algorithm).is_some_and(|own| is_same_text(&own, &hash))
            })
        });
        let Some(slowest) = &self.slowest else {
            return if by_digest { self.accept(given.user()) } else { self.fail(request, cx) };
        };
        let slow = user.and_then(User::slow_hash).cloned();
        let mut salt = [0; 16];
        cx.fill_random(&mut salt);
        let (known, hash) = match slow {
            Some(hash) => (None, hash),
            // As long for those who have no such hash, and for those who are no users.
            None => (Some(by_digest), slowest.of_nobody(salt)),
        };
        let refusal = self.ask(request, cx, false);
        let delay = self.attempts.next_delay(&self.config.attempts, address_of(request));
        let (decision, sender) = cx.decide_later();
        let check = Check {
            password: given.password().to_owned(),
            hash,
            known,
            sender,
            accepted: Admission::Allow(Some(given.user().to_owned())),
            refused: (refusal, delay),
            about: Subject {
                user: given.user().into(),
                address: address_of(request),
                tag,
                table: self.generation,
            },
        };
        match self.checks.begin(check, self.config.max_password_checks) {
            Ok(()) => decision,
            Err(_) => {
                self.statistics.busy += 1;
                let refusal = Admission::refuse(StatusCode::SERVICE_UNAVAILABLE);
                refusal.header("Retry-After", 1).into()
            }
        }
    }

    /// A keyed hash by which the same name and password are recognized.
    fn tag(&mut self, given: &UserCredentials, cx: &mut AccessContext<'_>) -> [u8; 32] {
        let key = *self.tag_key.get_or_insert_with(|| {
            let mut key = [0; 32];
            cx.fill_random(&mut key);
            key
        });
        let mut hash = keyed(&key);
        hash.update(given.user().as_bytes());
        hash.update(&[0]);
        hash.update(given.password().as_bytes());
        hash.finalize().into_bytes().into()
    }

    /// Takes note of what the thread for passwords has found out.
    fn note_checks(&mut self, cx: &AccessContext<'_>) {
        while let Some((about, is_right)) = self.checks.poll_found() {
            if !is_right {
                self.note_failure(about.address, cx);
                continue;
            }
            self.statistics.accepted += 1;
            if about.table == self.generation && self.table.user(&about.user).is_some() {
                self.recognized.insert(about.user, about.tag);
            }
        }
    }

    /// Looks for a token, in the URL or shown before on the connection.
    fn check_bearer(
        &mut self,
        request: &RequestInfo<'_>,
        cx: &mut AccessContext<'_>,
    ) -> Option<Decision> {
        let key = self.table.token_key()?;
        let url = request.request.url.as_str();
        let (mut names, action) = (stream_names(url), action_of(request.request));
        // The tracks of what is published have controls that the publisher chooses.
        if !names.is_empty() && !names.iter().any(|name| *name == request.stream) {
            names.push(request.stream.to_string());
        }
        let owner = request.user.filter(|_| request.session.is_some());
        let (connection, wall_clock) = (request.connection, cx.wall_clock());
        let Some(token) = token_of(url) else {
            let wanted = (action, owner);
            let (stream, bearer) = self.bearers.find(connection, &names, wanted, wall_clock)?;
            return Some(Admission::AllowStream { user: Some(bearer), stream }.into());
        };
        if self.attempts.refused_for(address_of(request), cx.now()).is_some() {
            return self.refused(request, cx);
        }
        let check = |name: &String| key.check(token, name, address_of(request), wall_clock);
        let found = names.iter().map(|name| (name, check(name)));
        let Some((stream, checked)) = found.into_iter().find(|(_, c)| *c != Checked::Wrong) else {
            return Some(self.fail(request, cx));
        };
        if let Checked::Good { actions, expires, bearer } = &checked {
            self.bearers.note(connection, stream, (*actions, *expires, bearer));
        }
        match checked.admits(action, owner) {
            Some(bearer) => {
                self.statistics.accepted += 1;
                let stream = stream.clone();
                Some(Admission::AllowStream { user: Some(bearer), stream }.into())
            }
            // It is not for this, or not any more; perhaps the requester has credentials too.
            None => None,
        }
    }
}

impl Authenticator for UserAccess {
    fn authenticate(&mut self, request: &RequestInfo<'_>, cx: &mut AccessContext<'_>) -> Decision {
        self.note_checks(cx);
        let mut given = request.request.headers.values("Authorization");
        let Some(credentials) = given.next() else {
            if let Some(decision) = self.check_bearer(request, cx) {
                return decision;
            }
            // A session of a user's is for that user to control.
            let is_owned = request.session.is_some() && request.user.is_some();
            let decision = if is_owned { self.ask(request, cx, false) } else { nobody() };
            return decision.into();
        };
        if given.next().is_some() {
            return Admission::refuse(StatusCode::BAD_REQUEST).into();
        }
        match Credentials::parse(credentials) {
            Ok(Credentials::Digest(digest)) => self.check_digest(request, &digest, cx),
            Ok(Credentials::Basic(user)) => self.check_basic(request, &user, cx),
            Err(_) => match self.refused(request, cx) {
                Some(refused) => refused,
                None => self.fail(request, cx),
            },
        }
    }

    fn permits(&self, wanted: &Permission<'_>) -> bool {
        let by_rule =
            self.table.permits(wanted.user, wanted.action, wanted.stream, wanted.peer.ip());
        // What else a token is for was looked at when it was shown.
        by_rule
            || wanted.action == Action::Talk && self.bearers.may_talk(wanted.user, wanted.stream)
    }

    /// The sessions of a token's bearers may go on for as long as the table has its key.
    fn still_permits(&self, wanted: &Permission<'_>) -> bool {
        let is_bearer = wanted
            .user
            .is_some_and(|user| self.table.token_key().is_some_and(|key| key.is_bearer(user)));
        is_bearer || self.permits(wanted)
    }

    fn challenge(&mut self, request: &RequestInfo<'_>, cx: &mut AccessContext<'_>) -> Admission {
        self.ask(request, cx, false)
    }

    fn connection_closed(&mut self, connection: ConnectionId) {
        self.bearers.forget(connection);
    }

    fn statistics(&self) -> AccessStatistics {
        self.statistics
    }
}

const fn nobody() -> Admission {
    Admission::Allow(None)
}

/// The action that a request is, if it is one: some only ask about the server or end a session.
fn action_of(request: &Request<'_>) -> Option<Action> {
    match request.method {
        Method::Describe => Some(Action::Describe),
        Method::Setup if is_record(request) => Some(Action::Publish),
        Method::Setup | Method::Play => Some(Action::Play),
        Method::Announce | Method::Record => Some(Action::Publish),
        Method::GetParameter if !request.body.is_empty() => Some(Action::Describe),
        Method::SetParameter if !request.body.is_empty() => Some(Action::Control),
        _ => None,
    }
}

/// Whether a SETUP is of a track that is to be published.
fn is_record(request: &Request<'_>) -> bool {
    let header = request.headers.joined("Transport").unwrap_or_default();
    alternatives(&header).flatten().any(|spec| spec.is_record())
}

/// Compares two texts in a time that does not depend on where they differ.
fn is_same_text(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}
