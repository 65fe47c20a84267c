/* A self-signed certificate for localhost, 127.0.0.1 and ::1, made anew for each test. */
#pragma once

struct tls_fixture {
	char dir[64];
	char cert_path[128], key_path[128];
};

void tls_fixture_init(struct tls_fixture *t);
/* Another certificate and key in the same files. */
void tls_fixture_renew(struct tls_fixture *t);
void tls_fixture_deinit(struct tls_fixture *t);
