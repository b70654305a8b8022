# shellcheck shell=bash
# Sourced by up.sh for --secure: certificates, users, and a listener for each way to prove who one is.
# Deliberately no access rules: who is let in may do all, unless an authorizer is set (--set authorizer.class.name=…).
#
# port  listener  protocol        who is let in
#   +2  SASL      sasl-plaintext  by PLAIN alice, carol and erin, by SCRAM-SHA-256 and -512 bob and dave; each has the
#                                 password NAME-secret
#   +3  TLS       tls             everybody
#   +4  SASLTLS   sasl-tls        as SASL
#   +5  MUTUAL    tls             who shows a certificate that the authority signed; its subject is the user
#   +6  EXPIRED   tls             nobody: the broker's own certificate has expired
# In $dir/tls, all PEM, keys without a passphrase: ca.pem, the authority; worker.pem and worker.key, a certificate for
# CN=worker; renewed.* another one for it; expired.* one that has expired; stranger.* one that stranger-ca.pem signed,
# which the broker does not know. The broker's certificate is for 127.0.0.1 and for no name.

# certificate NAME SUBJECT AUTHORITY DAYS EXTENSION: NAME.pem, NAME.key, and NAME.store with both, for the broker.
certificate() {
  key "$1" && openssl req -new -key "$1.key" -subj "/CN=$2" -config req.cnf |
    openssl x509 -req -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days "$4" -extfile <(echo "$5") -out "$1.pem" &&
    cat "$1.key" "$1.pem" >"$1.store"
}

authority() {
  key "$1" && openssl req -x509 -new -key "$1.key" -days 3650 -subj "/CN=$1" -config req.cnf \
    -addext basicConstraints=critical,CA:TRUE -out "$1.pem"
}

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

# Makes $dir/tls once. `dir` is settings.sh's.
# shellcheck disable=SC2154
make_certificates() {
  [ ! -e "$dir/tls/done" ] || return 0
  command -v openssl >/dev/null || fail 3 "needs openssl for --secure (Debian: apt install openssl)"
  mkdir -p "$dir/tls"
  (
    # Joined by &&: within a list that ends in || the shell goes on after a failure.
    cd "$dir/tls" && printf '[req]\ndistinguished_name=name\n[name]\n' >req.cnf &&
      authority ca &&
      authority stranger-ca &&
      certificate broker 127.0.0.1 ca 3650 subjectAltName=IP:127.0.0.1 &&
      certificate broker-expired 127.0.0.1 ca -1 subjectAltName=IP:127.0.0.1 &&
      certificate worker worker ca 3650 extendedKeyUsage=clientAuth &&
      certificate renewed worker ca 3650 extendedKeyUsage=clientAuth &&
      certificate expired worker ca -1 extendedKeyUsage=clientAuth &&
      certificate stranger worker stranger-ca 3650 extendedKeyUsage=clientAuth &&
      touch "done"
  ) >"$dir/openssl.log" 2>&1 || fail 1 "could not make certificates, see $dir/openssl.log"
}

# The server properties of the secure listeners, at ports $1 + 2 to $1 + 6.
secure_properties() {
  local plain='org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret" user_carol="carol-secret" user_erin="erin-secret";'
  local scram='org.apache.kafka.common.security.scram.ScramLoginModule required;'
  local listener all='' port=$1
  for listener in SASL TLS SASLTLS MUTUAL EXPIRED; do
    all+=",$listener://127.0.0.1:$((port + 2))"
    port=$((port + 1))
  done
  echo "listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$(($1 + 1))$all"
  echo "advertised.listeners=PLAINTEXT://127.0.0.1:$1$all"
  echo "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL,MUTUAL:SSL,EXPIRED:SSL"
  echo "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
  for listener in sasl sasltls; do
    echo "listener.name.$listener.plain.sasl.jaas.config=$plain"
    echo "listener.name.$listener.scram-sha-256.sasl.jaas.config=$scram"
    echo "listener.name.$listener.scram-sha-512.sasl.jaas.config=$scram"
  done
  printf '%s\n' ssl.keystore.type=PEM "ssl.keystore.location=$dir/tls/broker.store" \
    ssl.truststore.type=PEM "ssl.truststore.location=$dir/tls/ca.pem" listener.name.mutual.ssl.client.auth=required \
    listener.name.expired.ssl.keystore.type=PEM "listener.name.expired.ssl.keystore.location=$dir/tls/broker-expired.store"
}
