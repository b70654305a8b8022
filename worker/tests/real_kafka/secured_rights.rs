//! Rights that are missing: each is told once, with the operation to allow, and a service goes on when it is given.

use crate::{
    orders, process,
    secured::{self, Listener, Login, assert_told},
    topic, wait,
};

/// A topic with its dead-letter topic, its state topic and a group, all of one name.
struct Names {
    orders: String,
    dead_letters: String,
    state: String,
}

impl Names {
    fn new(broker: &str, number: u8) -> Names {
        let orders = topic::unique(&format!("rights-{number}"));
        let dead_letters = format!("{orders}-dlq");
        topic::create(broker, &orders, 1);
        topic::create(broker, &dead_letters, 1);
        let state = format!("{orders}-state");
        topic::create_with(broker, &state, 1, &[("cleanup.policy", "compact")]);
        Names { orders, dead_letters, state }
    }

    fn flags(&self) -> [&str; 4] {
        ["--topic", &self.orders, "--group-id", &self.orders]
    }
}

#[test]
fn each_right_that_is_missing_is_told_with_the_operation_to_allow() {
    let Some(broker) = secured::shared() else { return };
    let carol = Login::password(broker, Listener::Sasl, "plain", "carol");
    let names: Vec<Names> = (0..8).map(|number| Names::new(broker.address(), number)).collect();
    let all = |chosen: &[usize], flag: &'static str, which: fn(&Names) -> &str| -> Vec<String> {
        chosen.iter().flat_map(|at| [flag.to_owned(), which(&names[*at]).to_owned()]).collect()
    };
    let allow = |operation: &str, resources: &[Vec<String>]| {
        let resources: Vec<&str> = resources.iter().flatten().map(String::as_str).collect();
        secured::allow(broker, "carol", &[operation], &resources);
    };
    // Nothing on 0; 1: orders may be seen; 2: dead letters, too; 3: and the state; 4: and the group joined; 5: and the
    // state read and written; 6: and orders and dead letters; 7: orders may be seen.
    let of_orders: fn(&Names) -> &str = |names| &names.orders;
    let of_dead_letters: fn(&Names) -> &str = |names| &names.dead_letters;
    let of_state: fn(&Names) -> &str = |names| &names.state;
    let seen = [
        all(&[1, 2, 3, 4, 5, 7], "--topic", of_orders),
        all(&[2, 3, 4, 5], "--topic", of_dead_letters),
        all(&[3, 4], "--topic", of_state),
    ];
    allow("Describe", &seen);
    let read = [
        all(&[4, 5, 6], "--group", of_orders),
        all(&[5, 6], "--topic", of_state),
        all(&[6], "--topic", of_orders),
        all(&[6], "--topic", of_dead_letters),
    ];
    allow("Read", &read);
    allow("Write", &[all(&[5], "--topic", of_state)]);
    topic::produce(broker.address(), &names[4].state, &orders::records(&orders::made("rights", 1)));
    for at in [2, 3, 5, 6] {
        topic::produce(broker.address(), &names[at].orders, &orders::records(&orders::made("rights", 3)));
        topic::produce(broker.address(), &names[at].dead_letters, &orders::records(&orders::made("rights", 3)));
    }

    let told = |operation: &str, resource: &str, name: &str| {
        format!("allow User:carol the operation {operation} on {resource} {name} (kafka-acls --bootstrap-server ")
    };
    let consume = |at: usize| [&["consume", "--until-idle", "1s"], &names[at].flags()[..]].concat();
    let dead_letters = |how: &[&'static str], at: usize| [&["dead-letters"], how, &names[at].flags()[..]].concat();
    let runs = [
        (consume(0), told("Describe", "topic", &names[0].orders)),
        (consume(1), told("Describe", "topic", &names[1].dead_letters)),
        (consume(2), told("Describe", "topic", &names[2].state)),
        (consume(3), told("Read", "group", &names[3].orders)),
        (consume(4), told("Read", "topic", &names[4].state)),
        (consume(5), told("Read", "topic", &names[5].orders)),
        (dead_letters(&["--peek"], 0), told("Describe", "topic", &names[0].dead_letters)),
        (dead_letters(&["--peek"], 2), told("Read", "topic", &names[2].dead_letters)),
        (dead_letters(&["--until-idle", "1s"], 3), told("Read", "group", &format!("{}-dead-letters", names[3].orders))),
        ([&["produce", "--count", "3"], &names[7].flags()[..2]].concat(), told("Write", "topic", &names[7].orders)),
        ([&["report"], &names[3].flags()[..]].concat(), told("Describe", "group", &names[3].orders)),
    ];
    let started = runs.map(|(arguments, told)| (carol.worker(&arguments), arguments, told));
    for (process, arguments, told) in started {
        let ended = process.wait();
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert_told(&ended, &[&told]);
    }
}

#[test]
fn a_consumer_that_may_not_write_holds_and_goes_on_when_it_may() {
    let Some(broker) = secured::shared() else { return };
    // Unlike carol she may write to no topic at all, for which brokers refuse her a producer's id.
    let erin = Login::password(broker, Listener::Sasl, "plain", "erin");
    let names = Names::new(broker.address(), 9);
    let Names { orders, dead_letters, state } = &names;
    secured::allow(broker, "erin", &["Read"], &["--topic", orders, "--topic", state, "--group", orders]);
    secured::allow(broker, "erin", &["Read"], &["--topic", dead_letters]);
    topic::produce(broker.address(), orders, &orders::records(&orders::made("held", 20)));
    let all_fail = ["consume", "--permanent-percent", "100", "--max-dead-letter-ratio-percent", "100"];
    let consumer = erin.worker(&[&all_fail, &names.flags()[..]].concat());
    let admin = consumer.admin_address();
    let mut said = Vec::new();
    // First its claim to the state cannot be written, then the dead letters.
    for topic in [state, dead_letters] {
        let told = format!("allow User:erin the operation Write on topic {topic} (");
        consumer.wait_for_line(&told);
        wait::until(
            "/readyz to tell it",
            || process::get(&admin, "/readyz").1,
            || process::get(&admin, "/readyz").1.contains(&told).then_some(()),
        );
        let status = process::status(&admin);
        assert_eq!(status["processing"], "Stuck", "{status}");
        assert!(status["message"].as_str().is_some_and(|message| message.contains(&told)), "{status}");
        secured::allow(broker, "erin", &["Write"], &["--topic", topic]);
        said.push(told);
    }
    wait::until(
        "all dead letters",
        || process::status(&admin).to_string(),
        || (process::status(&admin)["totals"]["deadLettered"] == 20).then_some(()),
    );
    consumer.terminate();
    let ended = consumer.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(topic::read_all(broker.address(), dead_letters).len(), 20);
    for told in said {
        assert_eq!(ended.stderr.matches(&told).count(), 1, "{}", ended.stderr);
    }
}
