//! What a configuration that is read again changes.

use crate::config_file::parse;
use crate::plan::{Change, Changes, Differs};

const RUNNING: &str = "\
[stream.a]
pull.url = \"rtsp://10.0.0.7/\"
[stream.b]
record.folder = \"records\"
[stream.c]
";

fn changes(new: &str) -> Changes {
    Changes::between(&parse(RUNNING), &parse(new))
}

#[test]
fn the_same_changes_nothing() {
    assert_eq!(changes(RUNNING), Changes::default());
    // In another order, with what is the default, and with other rules for publishers.
    let same = "[unlisted]\npublished_by = []\n[stream.c]\npull.kept_for = \"1 min\"\n\
                [stream.b.record]\nfolder = \"/etc/records\"\n\
                [stream.a]\npull = { url = \"rtsp://10.0.0.7/\" }\npublished_by = []\ntakeover = \"yes\"\n";
    assert_eq!(changes(same), Changes::default());
}

#[test]
fn streams_come_and_go_while_others_stay() {
    let Changes { removed, added, changed, at_next_start } =
        changes("[stream.b]\nrecord.folder = \"records\"\n[stream.d]\n[stream.e]\n");
    assert_eq!((removed, added), (vec!["a".into(), "c".into()], vec!["d".into(), "e".into()]));
    assert!(changed.is_empty() && at_next_start.is_empty());
}

#[test]
fn a_change_goes_no_further_than_it_has_to() {
    for (key, name, what) in [
        ("record.keep_time = 5", "b", Differs::Recording),
        ("record.folder = \"x\"", "c", Differs::Recording),
        ("record.folder = \"x\"", "a", Differs::Recording),
        ("pull.transport = \"tcp\"", "a", Differs::Source),
        ("pull.url = \"rtsp://10.0.0.8/\"", "c", Differs::Source),
        ("pull.fast_start = \"off\"", "a", Differs::Source),
        ("pull.back_channel = \"pcma\"", "a", Differs::Source),
        ("pull.kept_for = 5", "a", Differs::Source),
    ] {
        let section = format!("[stream.{name}]\n");
        let new = RUNNING.replace(&section, &format!("{section}{key}\n"));
        let expected = vec![Change { name: name.into(), what, push: false }];
        assert_eq!(changes(&new).changed, expected, "{key}");
    }
}

#[test]
fn what_is_pushed_changes_nothing_else() {
    let new = RUNNING.replace("[stream.b]\n", "[stream.b]\npush.to = \"rtsp://h/b\"\n");
    let changed = changes(&new).changed;
    assert_eq!(changed, [Change { name: "b".into(), what: Differs::Nothing, push: true }]);
    let elsewhere = new.replace("rtsp://h/b", "rtsp://h/c");
    let between = Changes::between(&parse(&new), &parse(&elsewhere));
    assert_eq!(between.changed, changed);
    let both = new.replace("records", "others");
    let what = Differs::Recording;
    assert_eq!(changes(&both).changed, [Change { name: "b".into(), what, push: true }]);
}

#[test]
fn what_takes_a_new_start_is_told() {
    let sections = "[limits]\nsessions = 5\n[srtp]\nmki = 4\n[publishers]\nat_once = 5\n[[listen]]\naddress = \"*:554\"";
    let new = format!("{RUNNING}{sections}");
    let changes = changes(&new);
    assert_eq!(changes.at_next_start, ["listen", "limits", "srtp", "publishers"]);
    assert!(changes.changed.is_empty());
}
