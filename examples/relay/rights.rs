//! The rights to watch and to publish: the rules of the users file, then those of the streams.

use crate::config::{Access, Config, Fault, Faults, Publishing};
use riverrun::server::access::{Action, Actions, Pattern, Rule, UserTable, Who, users_file};

/// Reads the users that stand in the configuration itself.
pub(crate) fn inline_users(access: &Access) -> Result<UserTable, Faults> {
    let lines: Vec<_> = access.entries.iter().map(|(_, text)| text.as_str()).collect();
    if let Some((line, _)) = access.entries.iter().find(|(_, text)| text.contains(['\n', '\r'])) {
        let what = "access.entries: each entry is one line".to_owned();
        return Err(Faults(vec![Fault { line: *line, what }]));
    }
    users_file::parse(&lines.join("\n")).map_err(|e| {
        let faults = e.faults().map(|(number, what)| {
            let entry = access.entries.get(number.saturating_sub(1));
            Fault {
                line: entry.map_or(1, |(line, _)| *line),
                what: format!("access.entries: {what}"),
            }
        });
        Faults(faults.collect())
    })
}

/// The users with all rules.
///
/// # Errors
/// Somebody is named who is no user.
pub(crate) fn table(config: &Config, mut table: UserTable) -> Result<UserTable, String> {
    let has_users = table.users().next().is_some();
    if table.rules().is_empty() {
        let watch = Actions::VIEW.with(Action::Control);
        let who = if has_users { Who::Users } else { Who::Anyone };
        table.add_rule(Rule::allow(who.clone(), watch, Pattern::new("*")));
        // Where anyone may watch, only who is at this host talks.
        let talk = Rule::allow(who, Action::Talk.into(), Pattern::new("*"));
        let own = if has_users { Vec::new() } else { Publishing::default().from };
        table.add_rule(own.into_iter().fold(talk, Rule::from_range));
    }
    for (name, stream) in &config.streams {
        if stream.pull.is_none() {
            add_publishers(&mut table, name, &stream.publishing)?;
        }
        // What is said of other streams is not said of this one.
        let publish = Actions::from(Action::Publish);
        table.add_rule(Rule::deny(Who::Anyone, publish, Pattern::new(name)));
    }
    add_publishers(&mut table, "*", &config.unlisted)?;
    Ok(table)
}

fn add_publishers(
    table: &mut UserTable,
    streams: &str,
    publishing: &Publishing,
) -> Result<(), String> {
    for name in &publishing.by {
        let who = match name.as_str() {
            "anyone" => Who::Anyone,
            "users" => Who::Users,
            name if table.user(name).is_some() => Who::User(name.into()),
            name => return Err(format!("{streams} is published by {name}, who is no user")),
        };
        let rule = Rule::allow(who, Action::Publish.into(), Pattern::new(streams));
        let ranges = publishing.from.iter().copied();
        table.add_rule(ranges.fold(rule, Rule::from_range));
    }
    Ok(())
}
