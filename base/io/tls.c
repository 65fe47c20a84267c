/* Its own file so that nothing else needs OpenSSL's configuration calls. */
#include "base/io/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/io/addr.h"

static const unsigned char tls_alpn[] = "\x08http/1.1";

static int refuse(SSL_CTX *ctx, const char *what, const char *path, struct err *e)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	SSL_CTX_free(ctx);
	return err_set(
	    e, ERROR_INVALID, "%s '%s': %s", what, path, reason ? reason : "unreadable");
}

static SSL_CTX *ctx_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	must(ctx);
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

/* server */

/* Of what a client offers only http/1.1 is taken. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n_out,
    const unsigned char *in, unsigned int n_in, void *data)
{
	unsigned char *selected;

	(void)ssl, (void)data;
	if (SSL_select_next_proto(&selected, n_out, tls_alpn, sizeof(tls_alpn) - 1, in,
		n_in) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = selected;
	return SSL_TLSEXT_ERR_OK;
}

int tls_server_new(
    const char *cert_path, const char *key_path, struct ssl_ctx_st **out, struct err *e)
{
	SSL_CTX *ctx = ctx_new(TLS_server_method());

	if (!key_path)
		key_path = cert_path;
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
		return refuse(ctx, "TLS certificate", cert_path, e);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return refuse(ctx, "TLS key", key_path, e);
	*out = ctx;
	return 0;
}

struct ssl_st *tls_accept(struct ssl_ctx_st *ctx)
{
	SSL *ssl = SSL_new(ctx);

	must(ssl);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* client */

int tls_client_new(
    const char *ca_file, bool skip_verify, struct ssl_ctx_st **out, struct err *e)
{
	SSL_CTX *ctx = ctx_new(TLS_client_method());

	SSL_CTX_set_alpn_protos(ctx, tls_alpn, sizeof(tls_alpn) - 1);
	SSL_CTX_set_verify(ctx, skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	/* Reading the system's takes tens of milliseconds: not for what is not verified.
	 */
	if (!ca_file && !skip_verify)
		SSL_CTX_set_default_verify_paths(ctx);
	else if (ca_file && SSL_CTX_load_verify_file(ctx, ca_file) != 1)
		return refuse(ctx, "TLS authorities", ca_file, e);
	*out = ctx;
	return 0;
}

struct ssl_st *tls_connect(struct ssl_ctx_st *ctx, const char *host)
{
	SSL *ssl = SSL_new(ctx);
	struct in6_addr addr;

	must(ssl);
	if (inet_pton(AF_INET, host, &addr) == 1 ||
	    inet_pton(AF_INET6, host, &addr) == 1) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	} else {
		char name[ADDR_HOST_MAX + 1]; /* OpenSSL's macro is not const */

		snprintf(name, sizeof(name), "%s", host);
		SSL_set_tlsext_host_name(ssl, name);
		SSL_set1_host(ssl, host);
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

const char *tls_refusal(struct ssl_st *ssl)
{
	long r = SSL_get_verify_result(ssl);

	if (r == X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
		return NULL;
	return X509_verify_cert_error_string(r);
}

struct ssl_ctx_st *tls_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
	return NULL;
}
