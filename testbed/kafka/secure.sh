# shellcheck shell=bash
# Sourced by up.sh for --secure: a certificate authority, the broker's certificate, and the listeners with TLS and SASL.
# Deliberately no access rules: who is let in may do all.
#
# Users: alice / alice-secret (PLAIN), bob / bob-secret (SCRAM-SHA-256 and -512). The authority: $dir/tls/ca.pem.

# Makes $dir/tls once. `dir` is settings.sh's.
# shellcheck disable=SC2154
make_certificates() {
  [ ! -e "$dir/tls/broker.p12" ] || return 0
  mkdir -p "$dir/tls"
  local store=(-storepass changeit -storetype PKCS12)
  (
    cd "$dir/tls"
    keytool -genkeypair -alias ca -keyalg EC -dname CN=testbed -ext bc:c -validity 3650 -keystore ca.p12 "${store[@]}"
    keytool -exportcert -rfc -alias ca -keystore ca.p12 -storepass changeit >ca.pem
    keytool -genkeypair -alias broker -keyalg EC -dname CN=localhost -validity 3650 -keystore new.p12 "${store[@]}"
    keytool -certreq -alias broker -keystore new.p12 -storepass changeit |
      keytool -gencert -rfc -alias ca -keystore ca.p12 -storepass changeit -ext san=dns:localhost,ip:127.0.0.1 -validity 3650 >broker.pem
    keytool -importcert -noprompt -alias ca -file ca.pem -keystore new.p12 "${store[@]}"
    keytool -importcert -noprompt -alias broker -file broker.pem -keystore new.p12 "${store[@]}"
    mv new.p12 broker.p12
  ) >"$dir/keytool.log" 2>&1 || fail 1 "could not make certificates, see $dir/keytool.log"
}

# The server properties of the secure listeners, at ports $1 + 2 to $1 + 4.
secure_properties() {
  local plain='org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";'
  local scram='org.apache.kafka.common.security.scram.ScramLoginModule required;'
  local listener
  echo "listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$(($1 + 1)),SASL://127.0.0.1:$(($1 + 2)),TLS://127.0.0.1:$(($1 + 3)),SASLTLS://127.0.0.1:$(($1 + 4))"
  echo "advertised.listeners=PLAINTEXT://127.0.0.1:$1,SASL://127.0.0.1:$(($1 + 2)),TLS://127.0.0.1:$(($1 + 3)),SASLTLS://127.0.0.1:$(($1 + 4))"
  echo "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL"
  echo "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
  for listener in sasl sasltls; do
    echo "listener.name.$listener.plain.sasl.jaas.config=$plain"
    echo "listener.name.$listener.scram-sha-256.sasl.jaas.config=$scram"
    echo "listener.name.$listener.scram-sha-512.sasl.jaas.config=$scram"
  done
  printf 'ssl.keystore.type=PKCS12\nssl.keystore.location=%s\nssl.keystore.password=changeit\n' "$dir/tls/broker.p12"
}
