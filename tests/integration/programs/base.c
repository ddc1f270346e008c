/* What the C library promises: users, names, numbers of services, time zones, a locale; then TLS. */
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

static void tls(const char *port) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    BIO *bio = BIO_new_ssl_connect(context);
    SSL *ssl;
    BIO_get_ssl(bio, &ssl);
    SSL_set1_host(ssl, "tls.test");
    SSL_set_tlsext_host_name(ssl, "tls.test");
    BIO_set_conn_hostname(bio, address);
    if (BIO_do_connect(bio) <= 0) {
        printf("refused: %s\n", X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
        return;
    }
    BIO_puts(bio, "GET / HTTP/1.0\r\n\r\n");
    char answer[512];
    int length, all = 0;
    while (all < 511 && (length = BIO_read(bio, answer + all, 511 - all)) > 0) all += length;
    answer[all] = 0;
    char *body = strstr(answer, "\r\n\r\n");
    printf("answered: %s\n", body ? body + 4 : answer);
}

int main(int count, char **words) {
    if (count > 1) {
        tls(words[1]);
        return 0;
    }
    struct passwd *user = getpwnam("nonroot");
    printf("user %d %s\n", user ? (int)user->pw_uid : -1, user ? user->pw_dir : "none");
    struct servent *service = getservbyname("https", "tcp");
    printf("service %d\n", service ? ntohs(service->s_port) : -1);
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    printf("address %s\n", getaddrinfo("127.0.0.1", "https", &hints, &found) == 0 ? "found" : "none");
    time_t summer = 1751371200; /* 2025-07-01 12:00 UTC */
    char text[64];
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    strftime(text, sizeof text, "%H:%M %Z", localtime(&summer));
    printf("time %s\n", text);
    const char *locale = setlocale(LC_ALL, "C.UTF-8");
    printf("locale %s %s\n", locale ? locale : "none", nl_langinfo(CODESET));
    wchar_t letter = 0;
    int bytes = mbtowc(&letter, "\xc3\xa9", 2);
    printf("letter %d %d\n", bytes, iswalpha((wint_t)letter) != 0);
    return 0;
}
