//! [`Rule`]: who may do what with which stream, and from where.

use crate::server::access::action::Action;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

impl Action {
    const ALL: [(Self, &'static str, char); 5] = [
        (Self::Describe, "describe", 'd'),
        (Self::Play, "play", 'p'),
        (Self::Publish, "publish", 'r'),
        (Self::Control, "control", 'c'),
        (Self::Talk, "talk", 't'),
    ];

    const fn bit(self) -> u8 {
        match self {
            Self::Describe => 1,
            Self::Play => 2,
            Self::Publish => 4,
            Self::Control => 8,
            Self::Talk => 16,
        }
    }
}

/// A set of [`Action`]s. Its text is their names with commas between them, or `*` for all.
///
/// ```
/// use riverrun::server::access::{Action, Actions};
///
/// let actions: Actions = "describe,play".parse()?;
/// assert!(actions.contains(Action::Play) && !actions.contains(Action::Control));
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// All actions.
    pub const ALL: Self = Self(31);
    /// What a viewer needs: describe and play.
    pub const VIEW: Self = Self(3);

    /// Returns whether `action` is in the set.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Returns the set with `action` in it too.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | action.bit())
    }

    /// The letters of the actions, as a token has them.
    pub(super) fn letters(self) -> impl Iterator<Item = char> {
        Action::ALL.into_iter().filter(move |(a, ..)| self.contains(*a)).map(|(_, _, c)| c)
    }

    /// The set of letters that are in the order of [`letters`](Self::letters).
    pub(super) fn from_letters(letters: &str) -> Option<Self> {
        let of = |c| Action::ALL.into_iter().find(|(.., letter)| *letter == c).map(|(a, ..)| a);
        let actions = letters.chars().try_fold(Self::default(), |set, c| Some(set.with(of(c)?)))?;
        (actions != Self::default() && actions.letters().eq(letters.chars())).then_some(actions)
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        Self(action.bit())
    }
}

impl FromStr for Actions {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        text.split(',').try_fold(Self::default(), |set, name| {
            let found = Action::ALL.into_iter().find(|(_, known, _)| *known == name);
            let (action, ..) = found.ok_or("an unknown action")?;
            Ok(set.with(action))
        })
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("*");
        }
        let names = Action::ALL.into_iter().filter(|(a, ..)| self.contains(*a));
        for (i, (_, name, _)) in names.enumerate() {
            f.write_str(if i > 0 { "," } else { "" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actions({self})")
    }
}

/// Names of streams: one name, or several by `*`, which stands for any characters, slashes
/// included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Box<str>>);

impl Pattern {
    /// A pattern, as it is written.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(Into::into).collect())
    }

    /// A pattern of what stands between its asterisks.
    pub(super) const fn of_pieces(pieces: Vec<Box<str>>) -> Self {
        Self(pieces)
    }

    /// Returns whether the pattern stands for `name`.
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.iter().map(|piece| &**piece);
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        // Each piece at its first place leaves the most for the others.
        for piece in pieces {
            let after = rest.find(piece).and_then(|at| rest.get(at + piece.len()..));
            let Some(after) = after else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }
}

/// A range of IP addresses, written `10.0.0.0/8`, `fd00::/8` or as a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// Without the bits behind the prefix.
    base: IpAddr,
    prefix: u32,
}

impl AddressRange {
    /// Returns whether the range contains `address`. An IPv4-mapped IPv6 address counts as the IPv4
    /// address.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.base)
            && address.to_canonical().is_ipv4() == self.base.is_ipv4()
    }
}

impl FromStr for AddressRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "an address that is none")?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix.map(str::parse) {
            None => bits,
            Some(Ok(prefix)) if prefix <= bits => prefix,
            Some(_) => return Err("an address range with a wrong length of its prefix"),
        };
        let base = masked(address, prefix).ok_or("an address that is none")?;
        if base != address {
            return Err("an address range with bits behind its prefix");
        }
        Ok(Self { base, prefix })
    }
}

/// The first bits of an address; `None` if it has fewer.
fn masked(address: IpAddr, prefix: u32) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    })
}

/// The requesters that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Anyone, with or without credentials.
    Anyone,
    /// Every user who is in the table.
    Users,
    /// One user.
    User(Box<str>),
}

/// A rule of a [`UserTable`](super::UserTable): it permits or forbids some requesters some actions
/// with some streams. The first rule that fits a request decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Whether the rule permits what it is about.
    pub permits: bool,
    /// The requesters.
    pub who: Who,
    /// The actions.
    pub actions: Actions,
    /// The streams.
    pub streams: Pattern,
    /// The addresses of clients; empty: all.
    pub from: Vec<AddressRange>,
}

impl Rule {
    /// A rule that permits, from all addresses.
    pub const fn allow(who: Who, actions: Actions, streams: Pattern) -> Self {
        Self { permits: true, who, actions, streams, from: Vec::new() }
    }

    /// A rule that forbids, from all addresses.
    pub const fn deny(who: Who, actions: Actions, streams: Pattern) -> Self {
        Self { permits: false, who, actions, streams, from: Vec::new() }
    }

    /// Limits the rule to clients of a range of addresses, besides those that it is limited to.
    #[must_use]
    pub fn from_range(mut self, range: AddressRange) -> Self {
        self.from.push(range);
        self
    }

    /// Whether the rule is about a request of a user (`None`: on nobody's behalf). `is_known` says
    /// whether the user is in the table.
    pub(super) fn fits(
        &self,
        (user, is_known): (Option<&str>, bool),
        action: Action,
        stream: &str,
        address: IpAddr,
    ) -> bool {
        let by = match &self.who {
            Who::Anyone => true,
            Who::Users => is_known,
            Who::User(name) => is_known && user == Some(name),
        };
        by && self.actions.contains(action)
            && (self.from.is_empty() || self.from.iter().any(|range| range.contains(address)))
            && self.streams.matches(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, matches) in [
            ("film", "film", true),
            ("film", "film2", false),
            ("film", "", false),
            ("", "", true),
            ("*", "", true),
            ("*", "a/b", true),
            ("cam/*", "cam/1", true),
            ("cam/*", "cam", false),
            ("*/low", "cam/1/low", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
            ("**", "x", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
        // A name that would take a careless matcher for ever.
        let (pattern, name) = ("a*".repeat(200) + "b", "a".repeat(5000));
        assert!(!Pattern::new(&pattern).matches(&name));
    }

    #[test]
    fn ranges_are_of_one_family_and_whole() {
        let contains = |range: &str, address: &str| {
            let range: AddressRange = range.parse().unwrap();
            range.contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.1.2") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(contains("10.0.0.7", "10.0.0.7") && !contains("10.0.0.7", "10.0.0.6"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "fd00::1"));
        assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
        assert!(contains("::/0", "fe80::1") && !contains("::/0", "1.2.3.4"));
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "x", "", "10.0.0.0/-1"]
        {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn actions_are_read_as_they_are_written() {
        for text in ["describe,play", "*", "control", "publish", "describe,talk"] {
            assert_eq!(text.parse::<Actions>().unwrap().to_string(), text);
        }
        assert!("".parse::<Actions>().is_err() && "play,".parse::<Actions>().is_err());
        let letters: String = Actions::VIEW.letters().collect();
        assert_eq!(letters, "dp");
        assert_eq!(Actions::from_letters("dp"), Some(Actions::VIEW));
        for bad in ["pd", "dd", "", "x", "d "] {
            assert_eq!(Actions::from_letters(bad), None, "{bad}");
        }
    }
}
