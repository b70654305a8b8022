//! The admin server of `worker consume`, and what it says beside the report.

use std::net::TcpListener;

use crate::{broker::Broker, orders, pipeline::Pipeline, process, wait};

#[test]
fn metrics_and_status_agree_with_the_report() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "admin", 3);
    let made = orders::made("admin", 1_000);
    pipeline.fill(&made);
    let consumer = pipeline.consumer(&["--failure-percent", "30", "--initial-backoff", "50ms"]);
    let admin = consumer.process.admin_address();
    assert_eq!(process::get(&admin, "/livez").0, 200);
    pipeline.wait_until_committed();
    consumer.wait_for_records(999);
    wait::until(
        "readiness",
        || process::get(&admin, "/readyz").1,
        || (process::get(&admin, "/readyz").0 == 200).then_some(()),
    );
    let status = consumer.wait_for_status("no lag", |status| (status["lag"] == 0).then(|| status.clone()));
    let metric = |series: &str| process::metric(&admin, &format!("orderpipeline_{series}"));
    let dead = orders::ids(&made, |order| order.fate(30.0, 3).is_dead).len() as f64;
    assert_eq!(metric("consumer_orders_total{outcome=\"succeeded\"}"), Some(1_000.0 - dead));
    assert_eq!(metric("consumer_orders_total{outcome=\"dead_lettered\"}"), Some(dead));
    assert_eq!(metric("consumer_orders_total{outcome=\"skipped\"}"), Some(0.0));
    assert_eq!(metric("consumer_dead_letters_total{class=\"transient\"}"), Some(dead));
    assert_eq!(metric("consumer_dead_letters_total{class=\"invalid\"}"), Some(0.0), "known series start at 0");
    assert_eq!(metric("consumer_parked_orders"), Some(0.0));
    assert_eq!(metric("ready"), Some(1.0));
    for number in 1..=3_u32 {
        let given = made.iter().filter(|order| order.fate(30.0, 3).retries >= number).count() as f64;
        let series = format!("consumer_retries_total{{class=\"transient\",number=\"{number}\"}}");
        assert_eq!(metric(&series), Some(given), "retry {number}");
    }
    let lag =
        |partition| metric(&format!("consumer_lag_records{{partition=\"{partition}\",topic=\"{}\"}}", pipeline.orders));
    assert_eq!([lag(0), lag(1), lag(2)], [Some(0.0); 3]);
    let average = metric("consumer_price_average{currency=\"USD\",product=\"P3\"}").expect("P3 was sold");
    let (_, report) = consumer.stop();

    assert_eq!(status["role"], "consume");
    assert_eq!(status["processing"], "Idle");
    for count in ["records", "succeeded", "deadLettered", "skipped"] {
        assert_eq!(status["totals"][count], report["consumed"][count], "{count}");
    }
    assert_eq!(status["totals"]["average"][0]["value"], report["overall"][0]["average"]);
    let third = &report["products"][3];
    assert_eq!(
        (third["product"].as_str(), third["average"].as_str()),
        (Some("P3"), Some(format!("{average:.4}").as_str()))
    );
}

#[test]
fn a_port_in_use_is_named() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "port", 1);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let arguments =
        ["consume", "--bootstrap-servers", pipeline.broker, "--topic", &pipeline.orders, "--admin-address", &address];
    let ended = process::Process::worker(&arguments).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&address) && ended.stderr.contains("in use"), "{ended:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "full-disk", 1);
    pipeline.fill(&orders::made("full-disk", 10));
    let arguments = [
        ["consume", "--until-idle"],
        ["300ms", "--bootstrap-servers"],
        [pipeline.broker, "--topic"],
        [&pipeline.orders, "--group-id"],
        [&pipeline.group, "--admin-address"],
        ["127.0.0.1:0", "--report"],
    ];
    let ended = process::Process::worker(&[&arguments.concat()[..], &["/dev/full"]].concat()).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/dev/full"), "{ended:?}");
    assert_eq!(pipeline.committed(), pipeline.ends(), "the run itself was good");
}
