<#
 論理端末 @TERMINAL@ のデジタル証明書を取得します。秘密鍵はこのパソコンで作成され、書き出せません。
 Retrieves the certificate of terminal @TERMINAL@. Its private key is made on this PC and can not be exported.

   powershell -ExecutionPolicy Bypass -File .\@TERMINAL@.ps1

 証明書を使用するWindowsユーザーで実行してください(管理者権限は不要です)。途中で止まった場合は、もう一度実行すると
 同じ鍵で続きから行います。
 Run it as the Windows user who will use the certificate (no administrator's rights). After an interruption run it again:
 it goes on with the same key.
#>
#Requires -Version 5.1
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

$Terminal = '@TERMINAL@'
$Door = '@DOOR@'
# The center's root certificate(s), DER in base64.
$Roots = @(
    @ROOTS@
)
$Request = @'
@REQUEST@
'@

$Japanese = (Get-UICulture).Name -like 'ja*'
$Folder = Join-Path $env:LOCALAPPDATA "tegata\$Terminal"
$RequestFile = Join-Path $Folder 'request.csr'

function Say([string]$ja, [string]$en) {
    if ($Japanese) { Write-Host $ja } else { Write-Host $en }
}

function Stop-With([string]$ja, [string]$en) {
    if ($Japanese) { Write-Host $ja -ForegroundColor Red } else { Write-Host $en -ForegroundColor Red }
    exit 1
}

function Read-Code([string]$ja, [string]$en) {
    $prompt = if ($Japanese) { $ja } else { $en }
    $typed = Read-Host -Prompt $prompt -AsSecureString
    return (New-Object System.Net.NetworkCredential('', $typed)).Password
}

# Windows asks before it trusts a root, and shows its thumbprint.
function Add-Roots {
    foreach ($text in $Roots) {
        $root = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList (, [Convert]::FromBase64String($text))
        $known = @('CurrentUser', 'LocalMachine') | Where-Object { Test-Path "Cert:\$_\Root\$($root.Thumbprint)" }
        if (-not $known) {
            Say "ルート証明書を登録します。拇印がセンターの案内と一致する場合だけ「はい」を選んでください: $($root.Thumbprint)" "The root certificate will be trusted. Answer yes only if this is the thumbprint that the center published: $($root.Thumbprint)"
            $store = New-Object System.Security.Cryptography.X509Certificates.X509Store -ArgumentList 'Root', 'CurrentUser'
            $store.Open('ReadWrite')
            try { $store.Add($root) } finally { $store.Close() }
        }
    }
}

# The request of an earlier run is used again: the center gives the same key the same certificate.
function Get-Request {
    New-Item -ItemType Directory -Force -Path $Folder | Out-Null
    if (-not (Test-Path $RequestFile)) {
        $inf = Join-Path $Folder 'request.inf'
        [IO.File]::WriteAllText($inf, $Request, [Text.Encoding]::ASCII)
        & certreq.exe -new -user -q $inf $RequestFile | Out-Host
        if ($LASTEXITCODE -ne 0) { Stop-With '鍵を作成できませんでした。' 'The key could not be made.' }
    }
    return [IO.File]::ReadAllText($RequestFile)
}

# The codes go into the request's body only: never into an address, a command line or a file.
function Send-Request([string]$json) {
    Add-Type -AssemblyName System.Net.Http
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    $client = New-Object System.Net.Http.HttpClient
    $client.Timeout = [TimeSpan]::FromSeconds(30)
    $client.DefaultRequestHeaders.Accept.ParseAdd('application/pkcs7-mime')
    foreach ($pause in 2, 4, 8, 15, 0) {
        try {
            $content = New-Object System.Net.Http.StringContent -ArgumentList $json, ([Text.Encoding]::UTF8), 'application/json'
            $answer = $client.PostAsync("$Door/api/v1/retrievals", $content).GetAwaiter().GetResult()
            $octets = $answer.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult()
            if ([int]$answer.StatusCode -lt 500) { return @{ Status = [int]$answer.StatusCode; Octets = $octets } }
            $cause = "HTTP $([int]$answer.StatusCode)"
        } catch {
            $cause = $_.Exception.GetBaseException().Message
        }
        if ($pause) {
            Say "応答がありません($cause)。$pause 秒後にもう一度送ります。" "No answer ($cause). Trying again in $pause seconds."
            Start-Sleep -Seconds $pause
        }
    }
    Stop-With "接続できませんでした($cause)。しばらくしてからもう一度実行してください。コードは失われていません。" "No connection ($cause). Run the script again later; the codes are not lost."
}

Add-Roots
$csr = Get-Request
Say "論理端末 $Terminal のID通知内容を入力してください。" "Type what the ID notice of terminal $Terminal says."
$json = ConvertTo-Json -Compress @{
    access_key  = Read-Code '端末アクセスキー' 'Access key'
    auth_code_1 = Read-Host -Prompt $(if ($Japanese) { '認証コード1' } else { 'Authentication code 1' })
    auth_code_2 = Read-Code '認証コード2' 'Authentication code 2'
    auth_code_3 = Read-Code '認証コード3' 'Authentication code 3'
    office_code = Read-Host -Prompt $(if ($Japanese) { '事業所コード' } else { 'Office code' })
    csr         = $csr
}
$answer = Send-Request $json
if ($answer.Status -ge 300) {
    $problem = [Text.Encoding]::UTF8.GetString($answer.Octets) | ConvertFrom-Json
    Stop-With "$($problem.code): $($problem.title)" "$($problem.code): $($problem.title_en)"
}

# PKCS#7 with the certificates above ours, so that Windows stores those, too.
$chain = Join-Path $Folder 'certificate.p7b'
[IO.File]::WriteAllBytes($chain, $answer.Octets)
& certreq.exe -accept -user -q $chain | Out-Host
if ($LASTEXITCODE -ne 0) { Stop-With '証明書を登録できませんでした。もう一度実行してください。' 'The certificate could not be installed. Run the script again.' }

$ours = Get-ChildItem Cert:\CurrentUser\My | Where-Object { $_.HasPrivateKey -and $_.Subject -like "*CN=$Terminal*" } | Sort-Object NotAfter | Select-Object -Last 1
if (-not $ours) { Stop-With '登録した証明書が見つかりません。' 'The installed certificate is not there.' }
Remove-Item -Recurse -Force $Folder
Say "論理端末 $Terminal の証明書を登録しました。有効期間: $($ours.NotBefore) ～ $($ours.NotAfter)" "The certificate of terminal $Terminal is installed: $($ours.NotBefore) to $($ours.NotAfter)"
