#!/usr/bin/env bash
# Makes what one installation keeps to itself, where the overlays look for it: the secret by which the API server proves
# itself, an authority, and Berth's certificate for berth.berth-system.svc. What is there already is left as it is.
set -euo pipefail
umask 077
here=$(cd "$(dirname "$0")" && pwd)

secret="$here/components/secret/secret.yaml"
if [ ! -e "$secret" ]; then
  cat >"$secret" <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: berth-admission
  namespace: berth-system
stringData:
  secret: $(openssl rand -hex 32)
YAML
fi

cd "$here/components/given-certificate"
if [ ! -e tls.crt ]; then
  names="subjectAltName=DNS:berth.berth-system.svc,DNS:berth.berth-system.svc.cluster.local${SECRETS_NAMES:+,$SECRETS_NAMES}"
  key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  openssl req -x509 $key -days 3650 -subj /CN=berth-ca -keyout ca.key -out ca.crt 2>/dev/null
  openssl req $key -subj /CN=berth.berth-system.svc -keyout tls.key -out tls.csr 2>/dev/null
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out tls.crt \
    -extfile <(printf '%s\nextendedKeyUsage=serverAuth\n' "$names") 2>/dev/null
  # Nobody else is to be certified by this authority.
  rm -f ca.key ca.srl tls.csr
fi
echo 'the secret and the certificate are in infra/kubernetes/components'
