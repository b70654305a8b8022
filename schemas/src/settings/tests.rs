//! What the settings document takes and refuses.
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn read(document: Value) -> Result<Settings, SettingsError> {
    match document {
        Value::Object(map) => Settings::from_map(map),
        other => panic!("the test's document is a map, not {other}"),
    }
}

#[test]
fn one_name_has_four_spellings() {
    let setting = SETTINGS.iter().find(|setting| setting.key() == "maxDeadLetterRatioPercent").expect("it is there");
    assert_eq!(setting.flag(), "max-dead-letter-ratio-percent");
    assert_eq!(setting.environment_variable(), "ORDERPIPELINE_MAX_DEAD_LETTER_RATIO_PERCENT");
    assert_eq!(setting.resource_fields, ["spec.consumer.maxDeadLetterRatioPercent"]);
}

#[test]
fn no_name_is_there_twice() {
    let keys: BTreeSet<String> = SETTINGS.iter().map(Setting::key).collect();
    assert_eq!(keys.len(), SETTINGS.len());
}

#[test]
fn every_setting_of_the_table_is_read_under_its_key_and_written_back_the_same() {
    for setting in SETTINGS {
        let value = match setting.kind {
            Kind::Text => json!("text"),
            Kind::Number => json!(3),
            Kind::Written => json!("3.50"),
            Kind::Switch => json!(true),
            Kind::List => json!(["one", "two"]),
            Kind::Pairs => json!({"key": "value"}),
        };
        let document = json!({ setting.key(): value });
        let settings = read(document.clone()).expect("the value has the right type");
        assert_eq!(settings.as_flags().len(), 1);
        assert_eq!(settings.as_flags()[0].0, setting);
        let number_kept = |text: String| text.replace("3.0", "3");
        let written = serde_json::to_string(&settings).expect("settings are plain data");
        assert_eq!(number_kept(written), document.to_string());
    }
}

#[test]
fn values_become_what_the_command_line_writes() {
    let settings = read(json!({
        "rate": 2.5, "maxPrice": 950, "peek": true, "checkOnly": false,
        "clientConfig": {"socket.keepalive.enable": true, "client.id": "shop", "fetch.min.bytes": 5},
        "delete": ["orders", "orders-dlq"],
    }));
    let flags: Vec<(String, Vec<String>)> = settings
        .expect("all types fit")
        .as_flags()
        .into_iter()
        .map(|(setting, texts)| (setting.flag(), texts))
        .collect();
    let expected = [
        ("client-config", vec!["client.id=shop", "fetch.min.bytes=5", "socket.keepalive.enable=true"]),
        ("rate", vec!["2.5"]),
        ("max-price", vec!["950"]),
        ("peek", vec![""]),
        ("check-only", vec![]),
        ("delete", vec!["orders", "orders-dlq"]),
    ];
    let expected = expected.map(|(flag, texts)| (flag.to_owned(), texts.into_iter().map(str::to_owned).collect()));
    assert_eq!(flags.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn an_unknown_key_is_named_with_the_near_one() {
    for (written, meant) in [
        ("maxRetry", "maxRetries"),
        ("max-retries", "maxRetries"),
        ("bootstrapServer", "bootstrapServers"),
        ("ORDERPIPELINE_GROUP_ID", "groupId"),
        ("failurePercentage", "failurePercent"),
    ] {
        let refused = read(json!({ written: 1 })).expect_err("no setting has this name");
        assert_eq!(refused.to_string(), format!("unknown setting {written:?}; did you mean {meant:?}?"));
    }
    let refused = read(json!({"zzz": 1})).expect_err("no setting has this name");
    assert_eq!(refused.to_string(), "unknown setting \"zzz\"; docs/reference/settings.md lists them all");
}

#[test]
fn a_value_of_a_wrong_type_is_named_with_its_key() {
    let refused = read(json!({"groupId": "shop", "maxRetries": "three"})).expect_err("the type is wrong");
    assert_eq!(refused.to_string(), "setting maxRetries: invalid type: string \"three\", expected u64");
    let refused = read(json!({"maxPrice": [1]})).expect_err("the type is wrong");
    assert_eq!(refused.to_string(), "setting maxPrice: expected a text or a number");
}

#[test]
fn settings_that_guarantees_hang_on_are_owned() {
    assert_eq!(owned_client_setting("group.id"), Some(OwnedSetting::Flag("--group-id")));
    assert!(matches!(owned_client_setting("enable.auto.commit"), Some(OwnedSetting::Fixed(_))));
    assert!(owned_client_setting("ssl.keystore.location").is_some());
    assert!(owned_client_setting("sasl.oauthbearer.config").is_some());
    assert_eq!(owned_client_setting("fetch.min.bytes"), None);
}
