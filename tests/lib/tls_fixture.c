#include "tests/lib/tls_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"

enum {
	DAY_S = 24 * 3600,
};

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(ext && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static X509 *make_cert(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	must(cert && X509_set_version(cert, 2) == 1);
	ASN1_INTEGER_set(
	    X509_get_serialNumber(cert), 1 + (long)arc4random_uniform(1 << 30));
	X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(cert), DAY_S);
	X509_set_pubkey(cert, key);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
	must(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert;
}

void tls_fixture_renew(struct tls_fixture *t)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? make_cert(key) : NULL;
	FILE *f;

	must(cert);
	f = fopen(t->cert_path, "w");
	must(f && PEM_write_X509(f, cert) == 1 && fclose(f) == 0);
	f = fopen(t->key_path, "w");
	must(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	     fclose(f) == 0);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void tls_fixture_init(struct tls_fixture *t)
{
	snprintf(t->dir, sizeof(t->dir), "/tmp/zedbus-tls-XXXXXX");
	must(mkdtemp(t->dir));
	snprintf(t->cert_path, sizeof(t->cert_path), "%s/cert.pem", t->dir);
	snprintf(t->key_path, sizeof(t->key_path), "%s/key.pem", t->dir);
	tls_fixture_renew(t);
}

void tls_fixture_deinit(struct tls_fixture *t)
{
	unlink(t->cert_path);
	unlink(t->key_path);
	rmdir(t->dir);
}
